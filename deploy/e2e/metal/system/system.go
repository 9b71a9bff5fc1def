// Package system makes a small Debian that boots from a disk, by BIOS or UEFI: systemd, udev, a network, Debian's kernel. It stands
// for what a customer orders, and is small so that an emulated processor starts it in seconds. It needs root,
// mmdebstrap, extlinux, GRUB and mkfs.ext4, and keeps the packages' tree in the project's cache.
package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/archive"
	"github.com/steelyard/steelyard/deploy/ramenv/boot"
	"github.com/steelyard/steelyard/deploy/ramenv/kernel"
	"github.com/steelyard/steelyard/deploy/ramenv/modules"
)

// Programs are what Build starts.
var Programs = []string{"mmdebstrap", "extlinux", "mkfs.ext4", "losetup", "mount", "umount", "sfdisk", "tar", "grub-mkimage", "mkfs.vfat", "mmd", "mcopy"}

// The image: a partition for UEFI after the first mebibyte, then the root, then the copy of the table.
const (
	esp   = 8 << 20
	start = 1<<20 + esp
	root  = 420 << 20
	size  = start + root + 1<<20
)

const (
	label       = "steelyard-root"
	commandLine = "console=ttyS0 quiet mitigations=off panic=-1 root=LABEL=" + label
)

// Root is where the root file system begins in the image, in bytes.
const Root = start

// Build writes a raw image of a disk. Cache is the project's .cache.
func Build(ctx context.Context, cache, image string) error {
	b := builder{ctx: ctx, dir: filepath.Dir(image)}
	tree := filepath.Join(cache, "metal", "root.tar")
	if err := b.packages(tree); err != nil {
		return err
	}
	k, err := kernel.Fetch(ctx, filepath.Join(cache, "kernel"))
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(b.dir, "system")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	b.run("tar", "-C", root, "-xf", tree)
	b.settle(root)
	b.kernel(k, work, root)
	b.disk(image, work, root)
	return b.err
}

// builder stops at its first failure.
type builder struct {
	ctx context.Context
	dir string
	err error
}

func (b *builder) run(name string, args ...string) string {
	if b.err != nil {
		return ""
	}
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "CGO_ENABLED=0", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.err = fmt.Errorf("%s %s: %w: %.600s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (b *builder) write(path, text string) {
	if b.err == nil {
		b.err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
}

// packages makes the tree of Debian's packages once; several processes may want it.
func (b *builder) packages(tree string) error {
	if err := os.MkdirAll(filepath.Dir(tree), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(tree+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(tree); err == nil {
		return nil
	}
	b.run("mmdebstrap", "--quiet", "--variant=essential", "--include=systemd-sysv,udev,dbus,iproute2,iputils-ping", `--aptopt=Apt::Install-Recommends "0"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "bookworm", tree+".part.tar")
	if b.err == nil {
		b.err = os.Rename(tree+".part.tar", tree)
	}
	return b.err
}

// settle makes the tree a system: its network by systemd-networkd, and nothing that only costs time.
func (b *builder) settle(root string) {
	b.write(filepath.Join(root, "etc/fstab"), "LABEL="+label+" / ext4 defaults 0 1\n")
	b.write(filepath.Join(root, "etc/systemd/system.conf.d/quick.conf"), "[Manager]\nDefaultTimeoutStopSec=5s\n")
	wants := filepath.Join(root, "etc/systemd/system/multi-user.target.wants")
	if b.err == nil {
		b.err = errors.Join(os.MkdirAll(wants, 0o755), link("/lib/systemd/system/systemd-networkd.service", filepath.Join(wants, "systemd-networkd.service")))
	}
	// What stands for the customer's data: bytes that are in no image.
	b.write(filepath.Join(root, "etc/systemd/system/letter.service"), "[Unit]\nAfter=local-fs.target\n[Service]\nType=oneshot\n"+
		"ExecStart=/bin/sh -c 'echo \"dear $(cat /etc/hostname)\" | sha256sum >/srv/letter; sync'\n")
	if b.err == nil {
		b.err = link("../letter.service", filepath.Join(wants, "letter.service"))
	}
	for _, unit := range []string{
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer", "getty@tty1.service",
		"systemd-update-utmp.service", "systemd-pstore.service", "systemd-networkd-wait-online.service", "e2scrub_reap.service",
	} {
		if b.err == nil {
			b.err = link("/dev/null", filepath.Join(root, "etc/systemd/system", unit))
		}
	}
}

func link(target, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

// kernel puts Debian's kernel and an archive with the drivers into the tree.
func (b *builder) kernel(k kernel.Tree, work, root string) {
	init := filepath.Join(work, "init")
	b.run("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", init, "github.com/steelyard/steelyard/deploy/e2e/metal/system/init")
	if b.err != nil {
		return
	}
	all, err := modules.Read(k.Modules)
	if err != nil {
		b.err = err
		return
	}
	taken, _ := all.Take(append(modules.Machines, modules.Always...))
	var t archive.Tree
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "sbin"} {
		t.Dir(dir, 0o755)
	}
	t.Char("dev/console", 0o600, 5, 1)
	t.Link(boot.ModprobePath, "/init")
	b.err = errors.Join(t.File("init", 0o755, init), taken.AddTo(&t))
	if b.err != nil {
		return
	}
	initrd, err := os.Create(filepath.Join(root, "boot/initrd"))
	if err != nil {
		b.err = err
		return
	}
	b.err = errors.Join(t.LZ4(initrd), initrd.Close())
	b.run("cp", k.Image, filepath.Join(root, "boot/vmlinuz"))
	b.write(filepath.Join(root, "boot/extlinux.conf"), "DEFAULT linux\nPROMPT 0\nTIMEOUT 1\nLABEL linux\n  LINUX /boot/vmlinuz\n  INITRD /boot/initrd\n"+
		"  APPEND "+commandLine+"\n")
}

// disk makes the image: a boot record, two partitions, a file system with the tree in it. The loop device is one that
// is made for it here and taken away again.
func (b *builder) disk(image, work, tree string) {
	if b.err != nil {
		return
	}
	f, err := os.Create(image)
	if err != nil {
		b.err = err
		return
	}
	b.err = errors.Join(f.Truncate(size), f.Close())
	table := filepath.Join(work, "table")
	b.write(table, fmt.Sprintf("label: gpt\nstart=1MiB, size=%d, type=U\nstart=%d, size=%d, type=L, attrs=LegacyBIOSBootable\n", esp>>9, start>>9, root>>9))
	b.run("bash", "-c", `sfdisk --quiet "$1" <"$2"`, "-", image, table)
	// 4096: smaller blocks, which mkfs takes for small disks, are more than the boot loader can read.
	b.run("mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^metadata_csum,^64bit", "-L", label, "-E", fmt.Sprintf("offset=%d", start), "-d", tree, image, fmt.Sprintf("%dk", root>>10))
	b.efi(image, work)
	loop := b.run("losetup", "--show", "-f", "-o", fmt.Sprint(start), image)
	if b.err != nil {
		return
	}
	mnt := filepath.Join(work, "mnt")
	b.err = os.Mkdir(mnt, 0o755)
	b.run("mount", "-t", "ext4", loop, mnt)
	b.run("extlinux", "--install", filepath.Join(mnt, "boot"))
	failed := b.err
	b.err = nil
	b.run("umount", mnt)
	b.err = nil // not mounted, when that is what failed
	b.run("losetup", "-d", loop)
	b.err = errors.Join(failed, b.err)
	b.run("dd", "if=/usr/lib/EXTLINUX/gptmbr.bin", "of="+image, "bs=440", "count=1", "conv=notrunc", "status=none")
}

// efi puts GRUB where firmware looks for a boot loader by itself.
func (b *builder) efi(image, work string) {
	early, loader, part := filepath.Join(work, "early.cfg"), filepath.Join(work, "BOOTX64.EFI"), filepath.Join(work, "esp")
	b.write(early, "search --no-floppy --label --set=root "+label+"\nlinux /boot/vmlinuz "+commandLine+"\ninitrd /boot/initrd\nboot\n")
	b.run("grub-mkimage", "-O", "x86_64-efi", "-c", early, "-p", "/boot", "-o", loader, "part_gpt", "ext2", "search", "search_label", "linux", "boot", "normal")
	b.run("mkfs.vfat", "-C", "-F", "16", "-s", "1", "-n", "EFI", part, fmt.Sprint(esp>>10))
	b.run("mmd", "-i", part, "::/EFI", "::/EFI/BOOT")
	b.run("mcopy", "-i", part, loader, "::/EFI/BOOT/BOOTX64.EFI")
	b.run("dd", "if="+part, "of="+image, "bs=1M", "seek=1", "conv=notrunc", "status=none")
}
