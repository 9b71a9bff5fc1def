package dumps

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

// Each calls f for every regular file of the collection with its name inside it.
// It stops at the first error of f and returns it.
func Each(path string, f func(name string, data []byte) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open the dumps: %w", err)
	}
	if info.IsDir() {
		return eachFile(path, f)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the dumps: %w", err)
	}
	defer file.Close()
	if !strings.Contains(filepath.Base(path), ".tar") {
		return one(filepath.Base(path), file, f)
	}
	return eachMember(file, f)
}

// Parse reads one dump of either kind.
func Parse(data []byte) (*smbios.Table, error) {
	if smbios.IsDump(data) {
		return smbios.Dump(data)
	}
	return smbios.Text(bytes.NewReader(data))
}

func eachFile(root string, f func(string, []byte) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		name, _ := filepath.Rel(root, path)
		return one(name, file, f)
	})
}

func eachMember(file io.Reader, f func(string, []byte) error) error {
	plain, err := decompress(file)
	if err != nil {
		return err
	}
	archive := tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := one(header.Name, archive, f); err != nil {
			return err
		}
	}
}

func decompress(file io.Reader) (io.Reader, error) {
	r := bufio.NewReader(file)
	magic, _ := r.Peek(3)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(r), nil
	default:
		return r, nil
	}
}

func one(name string, r io.Reader, f func(string, []byte) error) error {
	data, err := io.ReadAll(io.LimitReader(r, smbios.MaxInput))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return f(name, data)
}
