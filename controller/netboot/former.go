package netboot

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/pkg/pause"
)

// endFormer ends a dnsmasq that outlived its controller, and would answer beside this one's. The kernel does not end it together with a
// controller that was killed: it forgets that wish when dnsmasq gives up root.
func (d *dnsmasq) endFormer(ctx context.Context) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || !d.isOurs(dir) {
			continue
		}
		p, err := os.FindProcess(pid) // holds on to this process, not to its number
		if err != nil || !d.isOurs(dir) {
			continue
		}
		d.log.Info("a dnsmasq of a controller that was killed is ended", "pid", pid)
		_ = p.Signal(syscall.SIGTERM)
		for end := time.Now().Add(2 * time.Second); d.isOurs(dir) && time.Now().Before(end); {
			if pause.For(ctx, 20*time.Millisecond) != nil {
				return
			}
		}
		_ = p.Release()
	}
}

// isOurs tells whether a process is dnsmasq with our configuration.
func (d *dnsmasq) isOurs(dir string) bool {
	text, err := readSome(filepath.Join(dir, "cmdline"), maxLine)
	if err != nil {
		return false
	}
	var args []string
	for _, a := range bytes.Split(text, []byte{0}) {
		args = append(args, string(a))
	}
	return filepath.Base(args[0]) == "dnsmasq" && slices.Contains(args, "--conf-file="+d.config)
}
