package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// meta is the package that always depends on the newest kernel of the distribution, with all drivers.
const meta = "linux-image-amd64"

// Tree is an unpacked kernel.
type Tree struct {
	Version string // 6.1.0-1-amd64
	Package string // version of Debian's package
	Image   string // path of the bzImage
	Modules string // path of lib/modules/VERSION, with depmod's tables
}

// Fetch returns the newest kernel that apt offers, from the cache directory when it was unpacked there
// before. Without a network the newest one in the cache serves. Several processes may fetch at once. It needs
// apt-get, dpkg-deb and depmod (Debian: apt, dpkg, kmod) and writes below cache only.
func Fetch(ctx context.Context, cache string) (Tree, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return Tree{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Tree{}, fmt.Errorf("make the directory for kernels: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return Tree{}, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Tree{}, fmt.Errorf("wait for another build: %w", err)
	}
	name, version, err := offered(ctx)
	if err != nil {
		if t, ok := newest(cache); ok {
			return t, nil
		}
		return Tree{}, err
	}
	dir := filepath.Join(cache, name+"_"+version)
	if t, err := open(dir); err == nil {
		return t, nil
	}
	if err := unpack(ctx, cache, dir, name, version); err != nil {
		if t, ok := newest(cache); ok {
			return t, nil
		}
		return Tree{}, err
	}
	return open(dir)
}

var (
	depends   = regexp.MustCompile(`(?m)^Depends: (linux-image-[^ ,]+)`)
	candidate = regexp.MustCompile(`(?m)^Version: (\S+)$`)
)

// offered asks apt which package holds the newest kernel.
func offered(ctx context.Context) (name, version string, err error) {
	of := func(pkg string, what *regexp.Regexp) (string, error) {
		out, err := run(ctx, "", "apt-cache", "show", "--no-all-versions", pkg)
		if err != nil {
			return "", fmt.Errorf("ask apt for %s (apt-get update may be needed): %w", pkg, err)
		}
		m := what.FindStringSubmatch(out)
		if m == nil {
			return "", fmt.Errorf("apt does not tell which kernel %s is", pkg)
		}
		return m[1], nil
	}
	if name, err = of(meta, depends); err != nil {
		return "", "", err
	}
	version, err = of(name, candidate)
	return name, version, err
}

// unpack downloads one package and makes its tree, whole or not at all.
func unpack(ctx context.Context, cache, dir, name, version string) error {
	part, err := os.MkdirTemp(cache, "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	// Root's download is handed to a user without rights, who has to reach the directory.
	if err := os.Chmod(part, 0o755); err != nil {
		return err
	}
	if _, err := run(ctx, part, "apt-get", "-q", "download", name+"="+version); err != nil {
		return fmt.Errorf("download %s: %w", name, err)
	}
	files, _ := filepath.Glob(filepath.Join(part, "*.deb"))
	if len(files) != 1 {
		return fmt.Errorf("download %s: %d packages came", name, len(files))
	}
	root := filepath.Join(part, "root")
	if _, err := run(ctx, part, "dpkg-deb", "-x", files[0], root); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	t, err := open(root)
	if err != nil && t.Version == "" {
		return err
	}
	if _, err := run(ctx, part, depmod(), "-b", root, t.Version); err != nil {
		return fmt.Errorf("read the modules of %s: %w", name, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(root, dir)
}

func depmod() string {
	if path, err := exec.LookPath("depmod"); err == nil {
		return path
	}
	return "/usr/sbin/depmod"
}

// open finds the kernel in an unpacked package.
func open(dir string) (Tree, error) {
	list, _ := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if len(list) != 1 {
		return Tree{}, fmt.Errorf("%s holds %d kernels, not one", dir, len(list))
	}
	t := Tree{Version: filepath.Base(list[0]), Modules: list[0]}
	_, t.Package, _ = strings.Cut(filepath.Base(dir), "_")
	t.Image = filepath.Join(dir, "boot", "vmlinuz-"+t.Version)
	for _, file := range []string{t.Image, filepath.Join(t.Modules, "modules.dep")} {
		if _, err := os.Stat(file); err != nil {
			return t, err
		}
	}
	return t, nil
}

// newest is the tree in the cache that was made last.
func newest(cache string) (Tree, bool) {
	dirs, _ := filepath.Glob(filepath.Join(cache, "linux-image-*"))
	slices.SortFunc(dirs, func(a, b string) int {
		x, errA := os.Stat(a)
		y, errB := os.Stat(b)
		if errA != nil || errB != nil {
			return 0
		}
		return y.ModTime().Compare(x.ModTime())
	})
	for _, dir := range dirs {
		if t, err := open(dir); err == nil {
			return t, true
		}
	}
	return Tree{}, false
}

// run runs a program and returns what it printed; the error holds what it complained about.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w: %.400s", name, err, exit.Stderr)
	}
	return string(out), err
}
