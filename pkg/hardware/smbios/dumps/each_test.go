package dumps

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEachWalksEveryKindOfCollection(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "sub/b"} {
		path := filepath.Join(dir, "files", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"+name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	plain := archive(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(plain)
	z.Close()
	for name, data := range map[string][]byte{"plain.tar": plain, "zipped.tar.gz": zipped.Bytes(), "one": []byte("xone")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"files": {"a", "sub/b"}, "plain.tar": {"a", "sub/b"}, "zipped.tar.gz": {"a", "sub/b"}, "one": {"one"},
	} {
		var got []string
		err := Each(filepath.Join(dir, path), func(name string, data []byte) error {
			got = append(got, name)
			if string(data) != "x"+name {
				t.Errorf("%s: %s holds %q", path, name, data)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", path, got, err, want)
		}
	}
	stop := errors.New("enough")
	if err := Each(filepath.Join(dir, "plain.tar"), func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if err := Each(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// archive holds two files and a directory.
func archive(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range []string{"sub/", "a", "sub/b"} {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len("x" + name)), Typeflag: tar.TypeReg}
		if name == "sub/" {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte("x" + name))
		}
	}
	w.Close()
	return out.Bytes()
}
