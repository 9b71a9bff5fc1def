package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/boot"
	"github.com/steelyard/steelyard/deploy/ramenv/modules"
	"github.com/steelyard/steelyard/pkg/version"
)

// work brings everything up and keeps it up. It returns only with the process.
func work() {
	ctx := context.Background()
	raw, _ := os.ReadFile("/proc/cmdline")
	w, wrong := parse(string(raw))
	s := newScreen(w.Console)
	greet(s)
	for _, text := range wrong {
		s.say("The boot server's instructions are wrong: %s.", text)
	}
	_ = unix.Sethostname([]byte(hostName(dmi("product_serial"), w.MAC)))
	go watchButton(s)
	if w.Mode != "" {
		s.say("Mode: %s.", w.Mode)
	}
	connected, ready := make(chan struct{}), make(chan struct{})
	if len(w.Controllers) > 0 {
		once := sync.OnceFunc(func() { close(connected) })
		go keepNetwork(ctx, s, w, once) // asks as soon as there is a card, while the other drivers are loaded
		if w.overIPv6() {
			go func() {
				waitIPv6(s)
				once()
			}()
		}
		go keepAgent(ctx, s, w, ready)
	}
	if drivers := loadDrivers(s); drivers != nil {
		go laterDevices(s, drivers)
	}
	go showDisks(s)
	if len(w.Controllers) == 0 {
		s.say("No controller was named, so nothing more can be done here: boot this machine through the controller's own boot server, or give %scontroller=HOST:PORT on the kernel's command line.", prefix)
		select {}
	}
	<-connected
	s.say("Controller: connecting to %s", strings.Join(w.Controllers, " or "))
	close(ready)
	select {}
}

// dmi is what the firmware tells about the machine; empty when it tells nothing.
func dmi(name string) string {
	raw, _ := os.ReadFile("/sys/class/dmi/id/" + name)
	return strings.TrimSpace(string(raw))
}

// nameless are serial numbers that many machines have.
var nameless = regexp.MustCompile(`^(default|none|unknown|n-a|na|not-.*|to-be-.*|system-.*|o-e-m|0?123456789a?0?)$`)

// hostName names the machine until somebody gives it a name: a new server appears under it in the fleet's lists.
// It is the serial number, or, where that is missing or stands for nothing, the address of the card.
func hostName(serial, mac string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(serial))
	name = strings.Trim(name[:min(len(name), 48)], "-")
	if len(name) >= 3 && strings.Count(name, name[:1]) < len(name) && !nameless.MatchString(name) {
		return name
	}
	return strings.TrimSuffix("ram-"+strings.ReplaceAll(mac, ":", ""), "-")
}

// greet says what this is and what it is about.
func greet(s *screen) {
	var u unix.Utsname
	_ = unix.Uname(&u)
	firmware := "BIOS"
	if _, err := os.Stat("/sys/firmware/efi"); err == nil {
		firmware = "UEFI"
	}
	s.say("Steelyard RAM environment %s, kernel %s, started by %s", version.Version, unix.ByteSliceToString(u.Release[:]), firmware)
	s.say("This machine: %s %s, serial number %s", cmp.Or(dmi("sys_vendor"), "unknown"), dmi("product_name"), cmp.Or(dmi("product_serial"), "unknown"))
	s.say("It runs from memory. Nothing on the disks is read or changed until the controller orders it.")
}

// loadDrivers loads what the machine's devices ask for.
func loadDrivers(s *screen) *modules.Loader {
	loader, err := boot.Modules()
	if err != nil {
		s.say("No drivers can be loaded: %v", err)
		return nil
	}
	if err := loader.Devices("/sys", boot.Always()...); err != nil {
		s.say("A driver does not work: %v", err)
	}
	if err := boot.MountFirmware(); err != nil {
		s.say("The firmware's boot entries cannot be reached: %v", err)
	}
	return loader
}

// laterDevices loads drivers for what shows up later: a disk that was plugged in, or one behind a slow controller.
func laterDevices(s *screen, loader *modules.Loader) {
	pause := time.Second
	for {
		time.Sleep(pause)
		if pause < 16*time.Second {
			pause *= 2
		}
		if err := loader.Devices("/sys"); err != nil {
			s.say("A driver does not work: %v", err)
		}
	}
}

// showDisks tells which disks are there by now. Slow ones are found later; the agent sees them then.
func showDisks(s *screen) {
	time.Sleep(200 * time.Millisecond) // most controllers have told by then
	list, _ := filepath.Glob("/sys/block/*/device")
	var disks []string
	for _, dir := range list {
		raw, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "size"))
		sectors, _ := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
		disks = append(disks, fmt.Sprintf("%s (%.1f GB)", filepath.Base(filepath.Dir(dir)), sectors*512/1e9))
	}
	if len(disks) == 0 {
		s.say("Disks: none seen yet")
		return
	}
	s.say("Disks: %s", strings.Join(disks, ", "))
}
