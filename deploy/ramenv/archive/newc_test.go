package archive

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
)

func sample(t *testing.T) *Tree {
	t.Helper()
	file := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(file, []byte("seven b"), 0o600); err != nil {
		t.Fatal(err)
	}
	var tree Tree
	tree.Text("etc/motd", 0o644, "hello\n")
	tree.Link("sbin/modprobe", "/init")
	tree.Char("dev/console", 0o600, 5, 1)
	tree.Dir("tmp", 0o777|os.ModeSticky)
	if err := tree.File("bin/odd", 0o755, file); err != nil {
		t.Fatal(err)
	}
	return &tree
}

// GNU cpio, written by others, reads what we write.
func TestAnotherProgramReadsTheArchive(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("cpio is not installed; deploy/install-test-deps.sh installs it")
		}
		t.Skip("cpio is not installed")
	}
	var raw bytes.Buffer
	if err := sample(t).Write(&raw); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for args, want := range map[string]string{
		"-t":   "bin\nbin/odd\ndev\ndev/console\netc\netc/motd\nsbin\nsbin/modprobe\ntmp\n",
		"-idm": "",
	} {
		cmd := exec.Command(cpio, "--quiet", args, "--no-absolute-filenames")
		if args == "-idm" {
			cmd.Args = append(cmd.Args, "bin/*", "etc/*", "sbin/*", "tmp")
		}
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(raw.Bytes())
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("cpio %s: %v\n%s", args, err, out)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "bin/odd")); string(text) != "seven b" || err != nil {
		t.Errorf("a file with a length that is no multiple of four: %q %v", text, err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "sbin/modprobe")); to != "/init" || err != nil {
		t.Errorf("a link: %q %v", to, err)
	}
	if st, err := os.Stat(filepath.Join(dir, "tmp")); err != nil || st.Mode()&os.ModeSticky == 0 || st.Mode().Perm() != 0o777 {
		t.Errorf("a directory: %v %v", st.Mode(), err)
	}
}

func TestTheSameEntriesGiveTheSameBytes(t *testing.T) {
	for name, write := range map[string]func(*Tree, io.Writer) error{"plain": (*Tree).Write, "lz4": (*Tree).LZ4} {
		var a, b bytes.Buffer
		if err := write(sample(t), &a); err != nil {
			t.Fatal(err)
		}
		if err := write(sample(t), &b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) || a.Len() == 0 {
			t.Errorf("%s: two archives of the same entries differ", name)
		}
	}
	var plain, packed bytes.Buffer
	if err := sample(t).Write(&plain); err != nil {
		t.Fatal(err)
	}
	if err := sample(t).LZ4(&packed); err != nil {
		t.Fatal(err)
	}
	if back, err := io.ReadAll(lz4.NewReader(&packed)); err != nil || !bytes.Equal(back, plain.Bytes()) {
		t.Errorf("lz4 gives back %d of %d bytes: %v", len(back), plain.Len(), err)
	}
}

func TestAFileThatChangesIsNotPackedInSilence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "growing")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	var tree Tree
	if err := tree.File("f", 0o644, file); err != nil {
		t.Fatal(err)
	}
	for _, now := range []string{"longer than before", "s"} {
		if err := os.WriteFile(file, []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tree.Write(io.Discard); err == nil || !strings.Contains(err.Error(), "changes") {
			t.Errorf("packed although it is now %q: %v", now, err)
		}
	}
	if err := tree.File("d", 0o644, t.TempDir()); err == nil {
		t.Error("a directory was taken for a file")
	}
}

func TestPackedFilesAreReadBack(t *testing.T) {
	tree := sample(t)
	if err := tree.Pack(func(name string, size int64) bool { return strings.HasPrefix(name, "bin/") && size > 6 }); err != nil {
		t.Fatal(err)
	}
	names := tree.Names()
	if slices.Contains(names, "bin/odd") || !slices.Contains(names, "bin/odd.zst") || !slices.Contains(names, "etc/motd") {
		t.Fatalf("packed: %v", names)
	}
	from, err := tree.entries["bin/odd.zst"].open()
	if err != nil {
		t.Fatal(err)
	}
	packed, _ := io.ReadAll(from)
	file := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(file+".zst", packed, 0o600); err != nil {
		t.Fatal(err)
	}
	if raw, err := ReadPacked(file); err != nil || string(raw) != "seven b" {
		t.Errorf("%q %v", raw, err)
	}
	if err := os.WriteFile(file+".zst", packed[:len(packed)-2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPacked(file); err == nil {
		t.Error("a torn file is read")
	}
}
