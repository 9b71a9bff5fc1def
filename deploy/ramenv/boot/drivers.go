package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/modules"
)

// Modules opens the modules of the running kernel.
func Modules() (*modules.Loader, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	index, err := modules.Read(filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:])))
	if err != nil {
		return nil, fmt.Errorf("the kernel and its modules do not belong together; start both from one build: %w", err)
	}
	return &modules.Loader{Index: index}, nil
}

// Always are the modules that this machine needs whatever devices it has.
func Always() []string {
	if _, err := os.Stat(firmware); err != nil {
		return modules.Always // started by a BIOS
	}
	return append(slices.Clone(modules.Always), "efivarfs")
}

// Want loads a module; options follow its name after spaces.
func Want(l *modules.Loader, text string) error {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}
	return l.Want(words[0], words[1:]...)
}

// Modprobe is the program that the kernel calls when it wants a module: [IsModprobe] tells that
// this process is it. The kernel gives options first and the module last.
func Modprobe() int {
	l, err := Modules()
	if err == nil {
		err = l.Want(os.Args[len(os.Args)-1])
	}
	if err != nil {
		return 1
	}
	return 0
}

// ModprobePath is where the kernel looks for that program.
const ModprobePath = "/sbin/modprobe"

// IsModprobe reports whether this process was called as modprobe.
func IsModprobe() bool { return len(os.Args) > 1 && filepath.Base(os.Args[0]) == "modprobe" }
