package collect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machine unpacks a copied machine from one readable file: comments first, then
// "-- path --" with the file's content below it, or "-- path -> target --" for a
// symbolic link. Content in quotes is a Go string. Paths of /sys hold colons, which
// files of a Go module may not have.
func machine(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".tree"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := unpack(root, string(data)); err != nil {
		t.Fatalf("unpack %s: %v", name, err)
	}
	return root
}

func unpack(root, text string) error {
	var path string
	var content bytes.Buffer
	flush := func() error {
		if path == "" {
			return nil
		}
		data := content.Bytes()
		if bytes.HasPrefix(data, []byte(`"`)) {
			raw, err := strconv.Unquote(strings.TrimSpace(string(data)))
			if err != nil {
				return err
			}
			data = []byte(raw)
		}
		return put(filepath.Join(root, path), data)
	}
	for line := range strings.Lines(text) {
		inner, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		inner, closed := strings.CutSuffix(inner, " --")
		if !ok || !closed {
			content.WriteString(line)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		content.Reset()
		path = inner
		if from, to, link := strings.Cut(inner, " -> "); link {
			path = ""
			if err := tie(filepath.Join(root, from), to); err != nil {
				return err
			}
		}
	}
	return flush()
}

func put(path string, data []byte) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644))
}

func tie(path, target string) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path))
}
