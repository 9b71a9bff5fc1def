package configure

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/protocol"
)

// TestB43_KilledInTheMiddleItIsDoneAgain kills the process (SIGKILL) that configures when table and file system have
// grown and half of the files are written. Nothing may hold the disk then, and the same work, done again, ends as it would
// have.
func TestB43_KilledInTheMiddleItIsDoneAgain(t *testing.T) {
	if spec := os.Getenv("CONFIGURE_OF_CHILD"); spec != "" {
		configureAsChild(t, spec)
		return
	}
	for _, kind := range []string{"ext4", "xfs"} {
		d := image(t, "gpt", kind, system())
		d.killed()
		dev, err := driver.Open(t.Context(), d.disks, d.ref, driver.Write)
		ok(t, err)
		ok(t, dev.Close())
		_, _, err = d.configure(wish())
		ok(t, err)
		d.looks("gpt", mayGrow(t, kind))
		d.free()
	}
}

// killed runs the work in another process and kills it when it reads the agent's program.
func (d *disk) killed() {
	t := d.t
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run", "^TestB43_KilledInTheMiddleItIsDoneAgain$")
	c.Env = append(os.Environ(), fmt.Sprintf("CONFIGURE_OF_CHILD=%s %d", d.path, d.whole), "TMPDIR="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	ok(t, err)
	c.Stderr = os.Stderr
	ok(t, c.Start())
	said := ""
	for !strings.Contains(said, "here") {
		buf := make([]byte, 256)
		n, err := out.Read(buf)
		said += string(buf[:n])
		if err != nil {
			_ = c.Wait()
			t.Fatalf("the child ended before it was killed: %v: %s", err, said)
		}
	}
	ok(t, c.Process.Kill())
	go func() { _, _ = io.Copy(io.Discard, out) }()
	_ = c.Wait()
}

func configureAsChild(t *testing.T, spec string) {
	var path string
	var size uint64
	_, err := fmt.Sscanf(spec, "%s %d", &path, &size)
	ok(t, err)
	s, err := linux.OpenSandbox(0, path)
	ok(t, err)
	disks := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	ref := protocol.DiskRef{Name: "sandbox-0", Serial: "sandbox-0", SizeBytes: size}
	pipe := filepath.Join(t.TempDir(), "pipe") // nobody writes to it: reading it waits for the end
	ok(t, syscall.Mkfifo(pipe, 0o600))
	go func() {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // opens when the other side reads
		if err == nil {
			fmt.Println("here")
			select {}
		}
		_ = f
	}()
	_, _, err = Run(t.Context(), disks, ref, wish(), pipe, successor{})
	t.Fatalf("it ended: %v", err)
}
