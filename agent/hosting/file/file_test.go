package file

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	alice = 29001 // ids that nobody has
	web   = 29002
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test gives files to users: run it as root")
	}
	t.Skip("this test gives files to users: it needs root")
}

// expect looks at one file.
func expect(t *testing.T, path, text string, o Owner) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != text {
		t.Errorf("%s holds %q, not %q: %v", path, raw, text, err)
	}
	expectOwner(t, path, o)
}

func expectOwner(t *testing.T, path string, o Owner) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || !o.of(&st) {
		t.Errorf("%s belongs to %d:%d with mode %o, want %v: %v", path, st.Uid, st.Gid, st.Mode, o, err)
	}
}

func write(t *testing.T, path, text string, o Owner, want bool) {
	t.Helper()
	changed, err := Write(path, []byte(text), o)
	if err != nil || changed != want {
		t.Fatalf("write: changed %v, %v", changed, err)
	}
	expect(t, path, text, o)
}

func TestAFileIsWrittenWhenItDiffersAndOnlyThen(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "a.conf")
	o := Owner{UID: alice, GID: web, Mode: 0o640}
	write(t, path, "one", o, true)
	write(t, path, "one", o, false)
	write(t, path, "two", o, true)
	write(t, path, strings.Repeat("long", 9000), o, true)
	write(t, path, strings.Repeat("long", 9000), o, false)
	write(t, path, strings.Repeat("lonG", 9000), o, true)
	o.Mode = 0o600
	write(t, path, strings.Repeat("lonG", 9000), o, true)
	o.UID = 0
	write(t, path, "", o, true)
	write(t, path, "", o, false)
	if err := os.Link(path, path+".second"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "", o, true) // a second name could be somebody's way into it
	if was, err := Remove(path); !was || err != nil {
		t.Error(was, err)
	}
	if was, err := Remove(path); was || err != nil {
		t.Error(was, err)
	}
	if was, err := Remove(path + "/not/there"); was || err != nil {
		t.Error(was, err)
	}
}

func TestALinkInTheWayIsReplacedAndWhereItLeadsIsUntouched(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, "secret", Root, true)
	for _, link := range []func(string, string) error{os.Symlink, os.Link} {
		path := filepath.Join(dir, "a.conf")
		if err := link(secret, path); err != nil {
			t.Fatal(err)
		}
		write(t, path, "ours", Owner{UID: alice, GID: alice, Mode: 0o644}, true)
		expect(t, secret, "secret", Root)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// The fresh name may be taken by a link too.
	path := filepath.Join(dir, "b.conf")
	if err := os.Symlink(secret, Fresh(path)); err != nil {
		t.Fatal(err)
	}
	write(t, path, "ours", Root, true)
	expect(t, secret, "secret", Root)
}

func TestADirectoryGetsItsOwnerAndModeBackAndAFileIsNoDirectory(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "htdocs")
	o := Owner{UID: alice, GID: web, Mode: 0o750 | fs.ModeSetgid}
	for _, want := range []bool{true, false} {
		if changed, err := Dir(path, o); err != nil || changed != want {
			t.Fatal(changed, err)
		}
		expectOwner(t, path, o)
	}
	if err := os.Chown(path, 0, 0); err != nil {
		t.Fatal(err)
	}
	if changed, err := Dir(path, o); err != nil || !changed {
		t.Fatal(changed, err)
	}
	expectOwner(t, path, o)
	for _, make := range []func(string) error{
		func(p string) error { return os.Symlink(path, p) },
		func(p string) error { return os.WriteFile(p, nil, 0o600) },
	} {
		other := path + ".other"
		if err := make(other); err != nil {
			t.Fatal(err)
		}
		if _, err := Dir(other, Root); err == nil || !strings.Contains(err.Error(), "no directory") {
			t.Error("something else was taken for a directory:", err)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
	}
	expectOwner(t, path, o)
}

// The process ends after every step; what it did not finish is finished by the next one.
func TestACrashBetweenAnyTwoStepsLeavesTheOldFileOrTheNewOne(t *testing.T) {
	needRoot(t)
	if at := os.Getenv("STEELYARD_DIE_AT"); at != "" {
		left, _ := strconv.Atoi(at)
		OnStep(func(string) {
			if left--; left < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // the signal comes
			}
		})
		work(t, os.Getenv("STEELYARD_DIR"))
		return
	}
	for at := range 20 {
		dir := t.TempDir()
		old := filepath.Join(dir, "a.conf")
		write(t, old, "old", Root, true)
		cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "STEELYARD_DIE_AT="+strconv.Itoa(at), "STEELYARD_DIR="+dir)
		err := cmd.Run()
		if raw, _ := os.ReadFile(old); string(raw) != "old" && string(raw) != "new" && at < 3 {
			t.Errorf("after step %d the file holds %q", at, raw)
		}
		work(t, dir)
		if got := list(t, dir); got != "b" {
			t.Errorf("after step %d and a repetition there is %s", at, got)
		}
		if err == nil {
			if at < 4 {
				t.Fatal("no step was a crash")
			}
			return
		}
	}
	t.Fatal("the work has no end")
}

func work(t *testing.T, dir string) {
	if _, err := Write(filepath.Join(dir, "a.conf"), []byte("new"), Owner{UID: alice, GID: alice, Mode: 0o640}); err != nil {
		t.Error(err)
	}
	if _, err := Dir(filepath.Join(dir, "b"), Owner{UID: alice, GID: alice, Mode: 0o700}); err != nil {
		t.Error(err)
	}
	if _, err := Remove(filepath.Join(dir, "a.conf")); err != nil {
		t.Error(err)
	}
}

func list(t *testing.T, dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestWhatCannotBeWrittenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(filepath.Join(dir, "not", "there"), nil, Root); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Write(filepath.Join(dir, strings.Repeat("a", MaxName+1)), nil, Root); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(filepath.Join(dir, "x"), nil, Owner{UID: os.Getuid(), GID: os.Getgid(), Mode: 0o600}); err == nil {
		t.Error("a directory was replaced")
	}
	if got := list(t, dir); got != "x" {
		t.Error("left over:", got)
	}
}

func BenchmarkUnchanged(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.conf")
	text := []byte(strings.Repeat("a line of a vhost;\n", 100))
	o := Owner{UID: os.Getuid(), GID: os.Getgid(), Mode: 0o600}
	for b.Loop() {
		if _, err := Write(path, text, o); err != nil {
			b.Fatal(err)
		}
	}
}
