package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func under(t *testing.T, dir string) *Tree {
	t.Helper()
	tree, err := Under(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingInATreeLeadsOutOfIt(t *testing.T) {
	top := t.TempDir()
	home, other := filepath.Join(top, "home"), filepath.Join(top, "other")
	must(t, os.MkdirAll(filepath.Join(home, "sub"), 0o755))
	must(t, os.MkdirAll(other, 0o755))
	must(t, os.WriteFile(filepath.Join(other, "secret"), []byte("secret"), 0o600))
	must(t, os.Symlink(other, filepath.Join(home, "link")))
	must(t, os.Symlink(other+"/secret", filepath.Join(home, "file")))
	must(t, os.Symlink("sub", filepath.Join(home, "within")))
	must(t, unix.Mkfifo(filepath.Join(home, "pipe"), 0o600))
	tree := under(t, home)
	o := Owner{UID: os.Getuid(), GID: os.Getgid(), Mode: 0o700}
	for _, name := range []string{"link/x", "../other/x", "sub/../../other/x", "/etc/x", "within/x", "..", ".", "", "/", "sub/.."} {
		if _, err := tree.Write(name, []byte("x"), o); err == nil {
			t.Errorf("wrote %q", name)
		}
		if _, err := tree.Dir(name, o); err == nil {
			t.Errorf("made %q", name)
		}
		if was, _ := tree.Remove(name); was {
			t.Errorf("removed %q", name)
		}
		if was, _ := tree.RemoveAll(t.Context(), name); was {
			t.Errorf("removed all of %q", name)
		}
	}
	for _, name := range []string{"file", "link", "link/secret", "../other/secret", "pipe", other + "/secret"} {
		if f, err := tree.Open(name); err == nil {
			t.Errorf("opened %q", name)
			_ = f.Close()
		}
	}
	if _, err := tree.Dir("link", o); err == nil {
		t.Error("a link was taken for a directory")
	}
	if _, err := tree.Write("file", []byte("ours"), o); err != nil {
		t.Error("a link in the place of a file is replaced:", err)
	}
	if raw, err := os.ReadFile(other + "/secret"); string(raw) != "secret" || list(t, other) != "secret" {
		t.Errorf("the other customer's file: %q %v", raw, err)
	}
	if _, err := Under(filepath.Join(home, "link")); err == nil {
		t.Error("a tree behind a link was opened")
	}
	if _, err := tree.Stat("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestFilesOfATreeAreWrittenReadAndRemoved(t *testing.T) {
	needRoot(t)
	tree := under(t, t.TempDir())
	o := Owner{UID: alice, GID: web, Mode: 0o750 | fs.ModeSetgid}
	for _, want := range []bool{true, false} {
		if changed, err := tree.Dir("htdocs", o); err != nil || changed != want {
			t.Fatal(changed, err)
		}
	}
	if empty, err := tree.Empty("htdocs"); !empty || err != nil {
		t.Error(empty, err)
	}
	o.Mode = 0o640
	for _, want := range []bool{true, false} {
		if changed, err := tree.Write("htdocs/index.html", []byte("hello"), o); err != nil || changed != want {
			t.Fatal(changed, err)
		}
	}
	expect(t, filepath.Join(tree.path, "htdocs/index.html"), "hello", o)
	if empty, err := tree.Empty("htdocs"); empty || err != nil {
		t.Error(empty, err)
	}
	for _, want := range []bool{true, false} {
		if was, err := tree.Remove("htdocs/index.html"); err != nil || was != want {
			t.Error(was, err)
		}
	}
	if was, err := tree.Remove("htdocs"); err == nil {
		t.Error("a directory was removed as a file", was)
	}
	if was, err := tree.RemoveAll(t.Context(), "htdocs"); err != nil || !was {
		t.Error(was, err)
	}
}

// A customer nests directories deeper than files can be open, and longer than a path can be.
func TestAVeryDeepTreeIsRemoved(t *testing.T) {
	needRoot(t)
	top := t.TempDir()
	home := filepath.Join(top, "alice")
	must(t, os.Mkdir(home, 0o700))
	dir, err := unix.Open(home, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 3000 {
		must(t, unix.Mkdirat(dir, "deeper", 0))
		next, err := unix.Openat(dir, "deeper", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		must(t, unix.Close(dir))
		dir = next
		fd, err := unix.Openat(dir, "file", unix.O_CREAT|unix.O_WRONLY, 0)
		must(t, err)
		must(t, unix.Close(fd))
	}
	must(t, unix.Close(dir))
	must(t, os.Mkdir(filepath.Join(top, ".alice.7.gone"), 0o700)) // a crash left it
	must(t, os.Mkdir(filepath.Join(top, "alice2"), 0o700))
	if was, err := RemoveAll(t.Context(), home); err != nil || !was {
		t.Error(was, err)
	}
	if got := list(t, top); got != "alice2" {
		t.Error("there is", got)
	}
	if was, err := RemoveAll(t.Context(), home); err != nil || was {
		t.Error(was, err)
	}
}

func TestWhatCannotBeRemovedIsNamedAndTheRestGoes(t *testing.T) {
	needRoot(t)
	top := t.TempDir()
	home := filepath.Join(top, "alice")
	for _, dir := range []string{"a", "mounted", "z"} {
		must(t, os.MkdirAll(filepath.Join(home, dir), 0o700))
	}
	must(t, unix.Mount("tmpfs", filepath.Join(home, "mounted"), "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(home, "mounted"), unix.MNT_DETACH) })
	must(t, os.WriteFile(filepath.Join(home, "mounted", "kept"), nil, 0o600))
	was, err := RemoveAll(t.Context(), home)
	if err == nil || !was || !strings.Contains(err.Error(), "mounted") {
		t.Error(was, err)
	}
	if got := list(t, home); got != "mounted" {
		t.Error("there is", got)
	}
	if got := list(t, filepath.Join(home, "mounted")); got != "kept" {
		t.Error("in the mount there is", got)
	}
	must(t, unix.Unmount(filepath.Join(home, "mounted"), 0))
	if _, err := RemoveAll(t.Context(), home); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	must(t, os.Mkdir(home, 0o700))
	if _, err := RemoveAll(ctx, home); !errors.Is(err, context.DeadlineExceeded) || list(t, top) != "alice" {
		t.Error("it went on without time:", err)
	}
}
