package build

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Options of an image.
type Options struct {
	Name   string           // Debian12
	Output string           // file that is made; it must not exist
	Kernel string           // package; "" is Kernel
	Tell   func(now string) // hears what is being done
}

// Debian12 is the image that can be built.
const Debian12 = "debian-12"

// Kernel is the package with the drivers of real machines.
const Kernel = "linux-image-amd64"

const (
	imageMiB = 2048 // of the disk that is imported; it grows when it is installed
	espMiB   = 64
	rootMiB  = 1 + espMiB // where the root begins
)

// programs are what is run, and the packages that they come in.
var programs = []struct{ name, packet string }{
	{"mmdebstrap", "mmdebstrap"},
	{"sfdisk", "fdisk"},
	{"mkfs.ext4", "e2fsprogs"},
	{"mkfs.vfat", "dosfstools"},
	{"mcopy", "mtools"},
	{"mmd", "mtools"},
	{"extlinux", "extlinux"},
	{"grub-mkimage", "grub-common"},
	{"mount", "mount"},
	{"umount", "mount"},
}

// files that are no programs.
const (
	mbrCode  = "/usr/lib/syslinux/mbr/gptmbr.bin"
	grubPath = "/usr/lib/grub/x86_64-efi"
)

// include are the packages of the system, besides those that Debian calls essential, apt and the kernel.
const include = "systemd-sysv,udev,dbus,iproute2,iputils-ping,openssh-server,ca-certificates,initramfs-tools,zstd,kmod,less"

// Run builds the image. Faults: refused without root or without a program, which are named; conflict when the output exists.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(o.Output), ".steelyard-build-")
	if err != nil {
		return fault.Invalid("make a directory beside %s: %w", o.Output, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &build{ctx: ctx, dir: dir, o: o, uuid: newUUID()}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"unpacking Debian and its kernel; this takes some minutes", b.debootstrap},
		{"configuring the system", b.configure},
		{"making the file systems", b.disk},
		{"installing the boot loaders", b.boot},
		{"compressing", b.pack},
	} {
		o.Tell(step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("build %s: %s: %w", o.Name, step.what, err)
		}
	}
	return nil
}

func (o *Options) check() error {
	if o.Name != Debian12 {
		return fault.Invalid("there is no recipe for %q; %s can be built", o.Name, Debian12)
	}
	if os.Geteuid() != 0 {
		return fault.Refused("building an image needs root: it makes a system's files, owned by the users of that system")
	}
	var missing []string
	for _, p := range programs {
		if _, err := lookPath(p.name); err != nil {
			missing = append(missing, p.packet)
		}
	}
	for path, packet := range map[string]string{mbrCode: "syslinux-common", grubPath + "/normal.mod": "grub-efi-amd64-bin"} {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, packet)
		}
	}
	if len(missing) > 0 {
		return fault.Refused("building an image needs these Debian packages: apt-get install %s", strings.Join(missing, " "))
	}
	if _, err := os.Lstat(o.Output); err == nil {
		return fault.Conflict("%s exists; name another file with --output, or move it away", o.Output)
	}
	if o.Kernel == "" {
		o.Kernel = Kernel
	}
	return nil
}

func lookPath(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name, nil
		}
	}
	return exec.LookPath(name)
}

// build is one in work, in a directory of its own.
type build struct {
	ctx  context.Context
	dir  string
	o    Options
	uuid string // of the root file system
}

func (b *build) path(name string) string { return filepath.Join(b.dir, name) }

// run runs a program; its last words are part of the error.
func (b *build) run(words ...string) error {
	path, err := lookPath(words[0])
	if err != nil {
		return fault.Refused("%w", err)
	}
	c := exec.CommandContext(b.ctx, path, words[1:]...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "TMPDIR=" + b.dir, "MTOOLS_SKIP_CHECK=1"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	text, err := c.CombinedOutput()
	if err != nil {
		said := strings.TrimSpace(string(text))
		return fault.Unavailable("%s: %w: %s", words[0], err, said[max(0, len(said)-800):])
	}
	return nil
}

// debootstrap unpacks the system into a directory.
func (b *build) debootstrap() error {
	return b.run("mmdebstrap", "--quiet", "--variant=minbase", "--include="+include+","+b.o.Kernel,
		"--aptopt=Apt::Install-Recommends \"0\"", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"bookworm", b.path("root"))
}

// configure writes the little that a server without cloud-init needs, and takes out what must not be the same everywhere.
func (b *build) configure() error {
	root, err := os.OpenRoot(b.path("root"))
	if err != nil {
		return err
	}
	defer root.Close()
	for name, text := range b.files() {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	const wants = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
	if err := root.Symlink("/lib/systemd/system/systemd-networkd.service", wants); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	keys, err := filepath.Glob(b.path("root/etc/ssh/ssh_host_*"))
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := os.Remove(k); err != nil {
			return err
		}
	}
	return nil
}

// commandLine is the kernel's. Messages go to the screen and to the first serial port.
func (b *build) commandLine() string {
	return "root=UUID=" + b.uuid + " ro console=tty0 console=ttyS0,115200n8"
}

func (b *build) files() map[string]string {
	return map[string]string{
		"etc/fstab":                          "UUID=" + b.uuid + " / ext4 errors=remount-ro 0 1\n",
		"etc/hostname":                       "debian\n",
		"etc/machine-id":                     "",
		"etc/systemd/network/90-any.network": "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n",
		// each server makes host keys of its own when it starts for the first time
		"etc/systemd/system/ssh.service.d/keys.conf": "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n",
		"boot/extlinux/extlinux.conf":                "DEFAULT debian\nPROMPT 0\nTIMEOUT 10\nLABEL debian\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND " + b.commandLine() + "\n",
		"boot/grub/grub.cfg":                         "set timeout=1\nmenuentry Debian {\n  linux /vmlinuz " + b.commandLine() + "\n  initrd /initrd.img\n}\n",
	}
}

// disk makes the partition table and the root file system, from the directory.
func (b *build) disk() error {
	disk := b.path("disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(disk, imageMiB<<20); err != nil {
		return err
	}
	table := fmt.Sprintf("label: gpt\nstart=1MiB, size=%dMiB, type=U\nstart=%dMiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, attrs=LegacyBIOSBootable\n", espMiB, rootMiB)
	script := b.path("table")
	if err := os.WriteFile(script, []byte(table), 0o600); err != nil {
		return err
	}
	if err := b.run("sh", "-c", "sfdisk -q \"$1\" <\"$2\"", "sh", disk, script); err != nil {
		return err
	}
	// extlinux reads neither 64-bit block numbers nor checksums, and only blocks of 4 KiB
	return b.run("mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^metadata_csum,^64bit", "-L", "root", "-U", b.uuid, "-E", fmt.Sprintf("offset=%d", rootMiB<<20),
		"-d", b.path("root"), disk, fmt.Sprintf("%dk", (imageMiB-rootMiB-1)<<10))
}

// boot installs extlinux for BIOS and GRUB for UEFI.
func (b *build) boot() error {
	if err := b.extlinux(); err != nil {
		return err
	}
	code, err := os.ReadFile(mbrCode)
	if err != nil {
		return fault.Refused("%w", err)
	}
	disk, err := os.OpenFile(b.path("disk"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	if _, err := disk.WriteAt(code[:min(len(code), 440)], 0); err != nil {
		return err
	}
	if err := b.esp(); err != nil {
		return err
	}
	esp, err := os.Open(b.path("esp"))
	if err != nil {
		return err
	}
	defer esp.Close()
	_, err = io.Copy(io.NewOffsetWriter(disk, 1<<20), esp)
	return err
}

func (b *build) extlinux() (err error) {
	at := b.path("mounted")
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	if err := b.run("mount", "-t", "ext4", "-o", fmt.Sprintf("loop,offset=%d,sizelimit=%d", rootMiB<<20, (imageMiB-rootMiB-1)<<20), b.path("disk"), at); err != nil {
		return err
	}
	defer func() {
		last := *b
		last.ctx = context.WithoutCancel(b.ctx)
		err = errors.Join(err, last.run("umount", at))
	}()
	return b.run("extlinux", "--install", filepath.Join(at, "boot/extlinux"))
}

// esp makes the EFI system partition with GRUB where firmware looks for a boot loader by itself.
func (b *build) esp() error {
	early := b.path("early.cfg")
	if err := os.WriteFile(early, []byte("search --no-floppy --fs-uuid --set=root "+b.uuid+"\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n"), 0o600); err != nil {
		return err
	}
	esp, loader := b.path("esp"), b.path("BOOTX64.EFI")
	for _, words := range [][]string{
		{"grub-mkimage", "-O", "x86_64-efi", "-d", grubPath, "-c", early, "-p", "/boot/grub", "-o", loader, "part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux", "gzio", "echo", "efi_gop", "all_video", "test"},
		{"mkfs.vfat", "-C", "-F", "32", "-n", "EFI", esp, fmt.Sprint(espMiB << 10)},
		{"mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"},
		{"mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI"},
	} {
		if err := b.run(words...); err != nil {
			return err
		}
	}
	return nil
}

// pack compresses the image into the output, which appears when it is whole.
func (b *build) pack() (err error) {
	from, err := os.Open(b.path("disk"))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(b.path("packed"))
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := zstd.NewWriter(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(e, from); err != nil {
		return err
	}
	if err := errors.Join(e.Close(), to.Sync()); err != nil {
		return err
	}
	return os.Rename(b.path("packed"), b.o.Output)
}

func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
