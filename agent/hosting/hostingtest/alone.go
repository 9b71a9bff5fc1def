package hostingtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const alone = "STEELYARD_ALONE"

// Alone runs the calling test once more in a world of its own: the same files and programs, but whatever is written is kept in memory and forgotten, and its own processes, network
// and shared memory. There a test may change /etc/passwd, start sshd, end processes by user. It returns true where the test is over (outside), false inside:
//
//	func TestX(t *testing.T) {
//		if hostingtest.Alone(t) {
//			return
//		}
//		… // /etc is ours
//	}
//
// Inside, the test is process 1: what it did not start itself and what has ended stays as a zombie.
func Alone(t *testing.T) (over bool) {
	t.Helper()
	return AloneFor(t, 4*Patience)
}

// AloneFor is Alone for a test that takes up to this long.
func AloneFor(t *testing.T, long time.Duration) (over bool) {
	t.Helper()
	if os.Getenv(alone) == t.Name() {
		return false
	}
	if os.Getenv(alone) != "" {
		t.Fatal("a subtest cannot be alone: ask in the test itself")
	}
	Need(t)
	run(t, long, alone)
	return true
}

// run runs the calling test once more, in namespaces of its own; the variable how tells it what for.
func run(t *testing.T, long time.Duration, how string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", long.String())
	cmd.Env = append(os.Environ(), how+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:  syscall.SIGKILL,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
	runtime.LockOSThread() // Pdeathsig is of the thread that started it
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	t.Logf("alone:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("alone it did not pass: %v", err)
	}
}

// init makes the world before any test, so that nothing of the process is left in the other one.
func init() {
	if os.Getpid() != 1 {
		return
	}
	if os.Getenv(booted) != "" {
		if err := boot(); err != nil {
			fmt.Println("on a system of its own:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(alone) == "" {
		return
	}
	if err := secede(); err != nil {
		fmt.Println("make a world for the test:", err)
		os.Exit(1)
	}
}

const base = "/mnt"

// layer puts a layer of memory over the root; nothing is mounted in it yet.
func layer() (root string, err error) {
	failed := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", base, "tmpfs", 0, "size=4g,mode=0755"),
	)
	for _, dir := range []string{"upper", "work", "new"} {
		failed = errors.Join(failed, os.Mkdir(filepath.Join(base, dir), 0o755))
	}
	if failed != nil {
		return "", failed
	}
	if err := unix.Mount("overlay", base+"/new", "overlay", 0, "lowerdir=/,upperdir="+base+"/upper,workdir="+base+"/work"); err != nil {
		return "", fmt.Errorf("overlay: %w", err)
	}
	return base + "/new", nil
}

// secede enters such a layer, with /proc and network of this process's namespaces.
func secede() error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := layer()
	if err != nil {
		return err
	}
	if err := errors.Join(
		unix.Mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("/sys", root+"/sys", "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("proc", root+"/proc", "proc", 0, ""),
		unix.Mount("tmpfs", root+"/run", "tmpfs", 0, "mode=0755"),
		unix.Mount("tmpfs", root+"/dev/shm", "tmpfs", 0, "mode=1777"),
		unix.Chdir(root), unix.Chroot("."),
	); err != nil {
		return err
	}
	return errors.Join(upLoopback(), os.Chdir(here))
}

func upLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}
