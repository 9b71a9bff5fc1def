package qemu

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/deploy/ramenv/archive"
	"github.com/steelyard/steelyard/deploy/ramenv/boot"
	"github.com/steelyard/steelyard/deploy/ramenv/kernel"
	"github.com/steelyard/steelyard/deploy/ramenv/library"
	"github.com/steelyard/steelyard/deploy/ramenv/modules"
)

// Limit is how long a program may run inside a machine, boot included.
const Limit = 4 * time.Minute

// Result is what a program in a machine did.
type Result struct {
	Output  string // what it said
	Status  int    // its exit status; 125 when it could not be started
	Console string // what the kernel said
}

// Inside reports whether this process runs in a machine that RunInside made.
func Inside() bool { return os.Getenv("STEELYARD_INSIDE") == "1" }

// RunTest runs the calling test inside a machine and fails if it fails there. The test must ask [Inside] first.
func RunTest(t *testing.T, m Machine) Result {
	t.Helper()
	Need(t, "depmod", "xz")
	program := compile(t)
	r := RunInside(t, m, program, "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout", Limit.String())
	t.Logf("inside the machine:\n%s", r.Output)
	if r.Status != 0 || !strings.Contains(r.Output, "--- PASS: "+t.Name()) {
		t.Fatalf("inside the machine the test ended with status %d", r.Status)
	}
	return r
}

// compiled is the test program of this package without C in it: the one that runs may have been
// built with the race detector, which needs libraries. It has no name on any disk, so that nothing is left
// of it after the process.
var compiled = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "inside")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "program")
	if err := build(exec.Command("go", "test", "-c", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")); err != nil {
		return nil, err
	}
	return os.Open(path)
})

func compile(t *testing.T) string {
	t.Helper()
	f, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", f.Fd())
}

// build runs the compiler for a static program.
func build(cmd *exec.Cmd) error {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile for the machine: %w\n%s", err, out)
	}
	return nil
}

// RunInside starts a machine, runs a static program in it as root, and returns what it said. The
// disks of the machine are there when the program starts; the machine has loopback and, with NICs, cards that are
// down. It must say nothing on its own about success: a machine that ends early fails the test.
func RunInside(t testing.TB, m Machine, program string, args ...string) Result {
	t.Helper()
	Need(t, "depmod", "xz")
	base, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	trailer := "inside-ended-" + nonce()
	initrd := filepath.Join(t.TempDir(), "initrd")
	if err := m.initrd(initrd, base.initrd, program, args, trailer); err != nil {
		t.Fatal(err)
	}
	m.Kernel, m.Initrd = base.vmlinux, initrd
	m.Append = "console=ttyS0 quiet mitigations=off panic=-1 " + m.Append
	r := Start(t, m)
	ended := r.Wait(Limit)
	raw, err := os.ReadFile(r.Output())
	if err != nil {
		t.Fatal(err)
	}
	said, rest, ok := strings.Cut(string(raw), "\n"+trailer+" ")
	status, bad := strconv.Atoi(strings.TrimSpace(rest))
	if ended != nil || !ok || bad != nil {
		t.Fatalf("the program did not end inside the machine: %v\n%s", ended, said)
	}
	return Result{Output: said, Status: status, Console: tail(r.Console(), 1<<20)}
}

func nonce() string {
	raw := make([]byte, 8)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

// initrd writes the archive of one run behind the one that all runs share.
func (m Machine) initrd(to string, base *os.File, program string, args []string, trailer string) error {
	var t archive.Tree
	job, err := json.Marshal(map[string]any{
		"Program": "/program", "Args": args, "Env": m.Env, "Modules": m.Modules, "Disks": len(m.Disks), "Trailer": trailer,
	})
	if err != nil {
		return err
	}
	t.Text("job.json", 0o600, string(job))
	failed := []error{t.File("program", 0o755, program)}
	for inside, file := range m.Files {
		failed = append(failed, t.File(inside, 0o755, file))
	}
	for _, name := range m.Programs {
		failed = append(failed, takeProgram(&t, name))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if err := copyFile(to, fmt.Sprintf("/proc/self/fd/%d", base.Fd())); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(t.Write(out), out.Close())
}

// takeProgram takes a program of this machine along with its libraries.
func takeProgram(t *archive.Tree, name string) error {
	path, err := look(name)
	if err != nil {
		return err
	}
	libraries, err := library.Of(path)
	if err != nil {
		return err
	}
	failed := []error{t.File("bin/"+filepath.Base(name), 0o755, path)}
	for _, l := range libraries {
		failed = append(failed, t.File(l, 0o755, l))
	}
	return errors.Join(failed...)
}

// shared is what all machines of this kind start from. The archive has no name on any disk.
type shared struct {
	vmlinux string
	initrd  *os.File
}

var prepare = sync.OnceValues(func() (shared, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return makeShared(ctx)
})

// Cache is where kernels are kept: .cache of the project, which git does not see.
func Cache() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "Makefile")); err == nil {
			return filepath.Join(dir, ".cache", "kernel")
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(os.TempDir(), "steelyard-kernel")
}

func makeShared(ctx context.Context) (s shared, err error) {
	cache := Cache()
	k, err := kernel.Fetch(ctx, cache)
	if err != nil {
		return s, err
	}
	s.vmlinux = filepath.Join(cache, "vmlinux-"+k.Version)
	if err := k.Vmlinux(ctx, s.vmlinux); err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "inside")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	init := filepath.Join(dir, "init")
	err = build(exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", init,
		"github.com/steelyard/steelyard/deploy/e2e/metal/inside"))
	if err != nil {
		return s, err
	}
	t, err := tree(k, init)
	if err != nil {
		return s, err
	}
	if s.initrd, err = os.Create(filepath.Join(dir, "initrd")); err != nil {
		return s, err
	}
	return s, t.Write(s.initrd)
}

// tree has the init and the modules. It is not compressed: unpacking costs an emulated processor more than
// reading.
func tree(k kernel.Tree, init string) (*archive.Tree, error) {
	all, err := modules.Read(k.Modules)
	if err != nil {
		return nil, err
	}
	taken, missing := all.Take(append(modules.Machines, modules.Always...))
	if len(missing) > 0 {
		return nil, fmt.Errorf("the kernel %s has no module %s", k.Version, strings.Join(missing, ", "))
	}
	var t archive.Tree
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "bin", "sbin", "mnt"} {
		t.Dir(dir, 0o755)
	}
	t.Char("dev/console", 0o600, 5, 1)
	t.Char("dev/null", 0o666, 1, 3)
	t.Link(boot.ModprobePath, "/init")
	return &t, errors.Join(t.File("init", 0o755, init), taken.AddTo(&t))
}
