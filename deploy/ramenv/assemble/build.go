package assemble

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/deploy/ramenv/archive"
	"github.com/steelyard/steelyard/deploy/ramenv/kernel"
	"github.com/steelyard/steelyard/deploy/ramenv/library"
	"github.com/steelyard/steelyard/deploy/ramenv/modules"
)

// Options say what is built and where.
type Options struct {
	Out     string // directory of the result; made when it is not there
	Cache   string // directory of kernels
	Version string // of the agent
	Tell    func(format string, args ...any)
}

// Files of the result.
const (
	KernelFile   = "vmlinuz"
	InitrdFile   = "initrd"
	ManifestFile = "manifest.json"
)

// Manifest tells what a RAM environment consists of.
type Manifest struct {
	Kernel       string   `json:"kernel"`         // version of the kernel: 6.1.0-1-amd64
	Package      string   `json:"kernel_package"` // version of Debian's package
	Agent        string   `json:"agent"`          // version of the agent
	KernelSHA256 string   `json:"kernel_sha256"`
	InitrdSHA256 string   `json:"initrd_sha256"`
	KernelBytes  int64    `json:"kernel_bytes"`
	InitrdBytes  int64    `json:"initrd_bytes"`
	Modules      int      `json:"modules"`
	Left         []string `json:"left_out,omitempty"` // drivers and programs that this machine does not have
}

// Build makes vmlinuz, initrd and manifest.json, the manifest last. The compiler must be there (go), and what
// [kernel.Fetch] needs. It writes below Out and Cache only.
func Build(ctx context.Context, o Options) (Manifest, error) {
	k, err := kernel.Fetch(ctx, o.Cache)
	if err != nil {
		return Manifest{}, fmt.Errorf("get Debian's kernel: %w", err)
	}
	o.Tell("kernel %s (%s)", k.Version, k.Package)
	dir, err := os.MkdirTemp("", "ramenv")
	if err != nil {
		return Manifest{}, err
	}
	defer os.RemoveAll(dir)
	programs, err := o.compile(ctx, dir)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Kernel: k.Version, Package: k.Package, Agent: o.Version}
	t, err := tree(ctx, k, programs, &m)
	if err != nil {
		return m, err
	}
	o.Tell("%d modules, %d files", m.Modules, len(t.Names()))
	return m, o.write(k, t, &m)
}

// compile builds the two programs.
func (o Options) compile(ctx context.Context, dir string) (map[string]string, error) {
	const module = "github.com/steelyard/steelyard/"
	programs := map[string]string{"init": "deploy/ramenv/init", "bin/steelyard-agent": "agent"}
	made := map[string]string{}
	for name, pkg := range programs {
		made[name] = filepath.Join(dir, filepath.Base(name))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
			"-ldflags", "-s -w -buildid= -X "+module+"pkg/version.Version="+o.Version, "-o", made[name], module+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile %s: %w\n%s", pkg, err, out)
		}
	}
	return made, nil
}

// tree puts everything together.
func tree(ctx context.Context, k kernel.Tree, programs map[string]string, m *Manifest) (*archive.Tree, error) {
	all, err := modules.Read(k.Modules)
	if err != nil {
		return nil, err
	}
	taken, missing := all.Take(append(modules.Servers, modules.Always...))
	m.Modules, m.Left = len(taken.Names()), missing
	if m.Modules == 0 {
		return nil, fmt.Errorf("the modules of kernel %s are not in the form that is known here (.ko)", k.Version)
	}
	var t archive.Tree
	for _, dir := range []string{"proc", "sys", "dev", "run", "mnt", "bin", "sbin", "usr/sbin"} {
		t.Dir(dir, 0o755)
	}
	t.Dir("tmp", 0o777|os.ModeSticky)
	t.Char("dev/console", 0o600, 5, 1)
	t.Char("dev/null", 0o666, 1, 3)
	for name, text := range etc {
		t.Text("etc/"+name, 0o644, text)
	}
	failed := []error{taken.AddTo(&t)}
	for name, file := range programs {
		failed = append(failed, t.File(name, 0o755, file))
	}
	failed = append(failed, smartctl(&t, m), busybox(ctx, &t, m))
	if _, err := os.Stat(pciIDs); err == nil {
		failed = append(failed, t.File(pciIDs, 0o644, pciIDs))
	} else {
		m.Left = append(m.Left, "pci.ids")
	}
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	return &t, t.Pack(func(name string, size int64) bool {
		return strings.HasSuffix(name, ".ko") && size > largeModule && !slices.Contains(common, modules.Name(name))
	})
}

// largeModule is from which size on a module is unpacked only where it is loaded: most of these bytes are
// drivers of network cards and file systems, of which a machine has one or two.
const largeModule = 256 << 10

// common are large modules that nearly every server needs.
var common = []string{"libata", "scsi_mod", "usbcore"}

// pciIDs names devices. Without it the inventory has numbers.
const pciIDs = "/usr/share/misc/pci.ids"

// etc is the least that programs expect there. resolv.conf is written when there is an address.
var etc = map[string]string{
	"passwd":        "root:x:0:0:root:/:/bin/false\n",
	"group":         "root:x:0:\n",
	"hosts":         "127.0.0.1 localhost\n::1 localhost\n",
	"nsswitch.conf": "hosts: files dns\n",
	"os-release":    "ID=steelyard-ram\nNAME=\"Steelyard RAM environment\"\n",
}

// smartctl reads the health of disks. It is a separate program (Debian: smartmontools); without it the disks'
// health is not known.
func smartctl(t *archive.Tree, m *Manifest) error {
	const program = "/usr/sbin/smartctl"
	if _, err := os.Stat(program); err != nil {
		m.Left = append(m.Left, "smartctl")
		return nil
	}
	libraries, err := library.Of(program)
	if err != nil {
		return err
	}
	failed := []error{t.File(program, 0o755, program)}
	for _, l := range libraries {
		failed = append(failed, t.File(l, 0o755, l))
	}
	const known = "/var/lib/smartmontools/drivedb/drivedb.h" // what the attributes of each model mean
	if _, err := os.Stat(known); err == nil {
		failed = append(failed, t.File(known, 0o644, known))
	}
	return errors.Join(failed...)
}

// busybox is the shell of the remote console and its commands: a separate program (Debian: busybox-static, or busybox). Without it
// there is no console.
func busybox(ctx context.Context, t *archive.Tree, m *Manifest) error {
	const program = "/usr/bin/busybox"
	if _, err := os.Stat(program); err != nil {
		m.Left = append(m.Left, "busybox (there is no remote console)")
		return nil
	}
	libraries, err := library.Of(program)
	if err != nil {
		return err
	}
	failed := []error{t.File("bin/busybox", 0o755, program)}
	for _, l := range libraries {
		failed = append(failed, t.File(l, 0o755, l))
	}
	list, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return fmt.Errorf("ask busybox for its commands: %w", err)
	}
	for _, name := range strings.Fields(string(list)) {
		if name != "busybox" && !slices.Contains(unwanted, name) {
			t.Link("bin/"+name, "/bin/busybox")
		}
	}
	return errors.Join(failed...)
}

// unwanted are commands of busybox that would do harm here: they speak to another init than ours, load modules by rules of their own, or ask for
// passwords that nobody has.
var unwanted = []string{
	"init", "linuxrc", "halt", "poweroff", "reboot", "getty", "login", "su", "sulogin", "passwd", "chpasswd",
	"modprobe", "depmod", "insmod", "rmmod", "httpd", "telnetd", "tftpd", "ftpd", "udhcpc", "udhcpc6", "udhcpd", "syslogd", "klogd",
}

// write writes the three files. A reader that looks at the manifest first sees no half-made files: they are
// put in place before it, each whole.
func (o Options) write(k kernel.Tree, t *archive.Tree, m *Manifest) error {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return fmt.Errorf("make the directory of the result: %w", err)
	}
	var err error
	m.InitrdSHA256, m.InitrdBytes, err = o.put(InitrdFile, t.LZ4)
	if err != nil {
		return err
	}
	m.KernelSHA256, m.KernelBytes, err = o.put(KernelFile, func(w io.Writer) error {
		f, err := os.Open(k.Image)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, _, err = o.put(ManifestFile, func(w io.Writer) error {
		_, err := w.Write(append(bytes.TrimSpace(text), '\n'))
		return err
	})
	o.Tell("%s: %s %.1f MB, %s %.1f MB%s", o.Out, KernelFile, float64(m.KernelBytes)/1e6, InitrdFile, float64(m.InitrdBytes)/1e6, leftOut(m.Left))
	return err
}

func leftOut(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; left out, because they are not here: " + strings.Join(names, ", ")
}

// put writes one file, whole or not at all.
func (o Options) put(name string, write func(io.Writer) error) (sum string, size int64, err error) {
	part, err := os.CreateTemp(o.Out, "part-")
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(part.Name())
	hash := sha256.New()
	err = errors.Join(write(io.MultiWriter(part, hash)), part.Chmod(0o644), part.Sync())
	st, statErr := part.Stat()
	if err := errors.Join(err, statErr, part.Close()); err != nil {
		return "", 0, fmt.Errorf("write %s: %w", name, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), st.Size(), os.Rename(part.Name(), filepath.Join(o.Out, name))
}
