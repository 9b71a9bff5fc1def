package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// maxRaw bounds what a small file may unpack to.
const maxRaw = 4 << 40 // bytes

const partial = ".partial-"

// Meta is what a person says about an image.
type Meta struct {
	Name     string
	OSFamily string // "linux" or "windows"
	Format   string // "raw" or "raw.zst"
	Actor    string
}

// Store is one directory of images.
type Store struct {
	dir  string
	sign func([]byte) []byte // Ed25519
}

// Open makes the directory if need be and removes what an interrupted import left.
func Open(dir string, sign func([]byte) []byte) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, partial+"*"))
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", dir, err)
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return nil, fmt.Errorf("open image store: %w", err)
		}
	}
	return &Store{dir: dir, sign: sign}, nil
}

// Open returns the bytes of a stored file and their number. It is not_found when
// this replica does not have them.
func (s *Store) Open(fileSHA256 string) (io.ReadSeekCloser, int64, error) {
	if len(fileSHA256) != 2*sha256.Size || strings.Trim(fileSHA256, "0123456789abcdef") != "" {
		return nil, 0, fault.Invalid("image file %.80q is not named by a SHA-256 digest", fileSHA256)
	}
	f, err := os.Open(filepath.Join(s.dir, fileSHA256))
	if os.IsNotExist(err) {
		return nil, 0, fault.NotFound("image file %s is not in this controller's store; import the image here too", fileSHA256)
	}
	if err != nil {
		return nil, 0, fault.Unavailable("open image file %s: %w", fileSHA256, err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fault.Unavailable("open image file %s: %w", fileSHA256, err)
	}
	return f, st.Size(), nil
}

// Import reads a whole image from r, checks that it unpacks, keeps it and
// returns its signed record. Nothing is kept when it fails.
func (s *Store) Import(ctx context.Context, r io.Reader, m Meta) (image.Image, error) {
	if err := m.check(); err != nil {
		return image.Image{}, err
	}
	tmp, err := os.CreateTemp(s.dir, partial)
	if err != nil {
		return image.Image{}, fault.Unavailable("import image %s: %w", m.Name, err)
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing to remove
	defer tmp.Close()
	manifest, err := receive(ctx, tmp, r, m)
	if err != nil {
		return image.Image{}, fmt.Errorf("import image %s: %w", m.Name, err)
	}
	if err := s.keep(tmp, manifest.FileSHA256); err != nil {
		return image.Image{}, fault.Unavailable("import image %s: %w", m.Name, err)
	}
	img := image.Image{ImageManifest: manifest, CreatedAt: time.Now().UTC(), CreatedBy: m.Actor}
	img.SignedManifest, img.Signature, err = protocol.Sign(manifest, s.sign)
	return img, err
}

func (m Meta) check() error {
	var c fault.Check
	c.Require(m.Name != "" && len(m.Name) <= 128, "name", "is empty or longer than 128 bytes")
	c.Require(m.OSFamily == "linux" || m.OSFamily == "windows", "os_family", "is %q; use linux or windows", m.OSFamily)
	c.Require(m.Format == "raw" || m.Format == "raw.zst", "format", "is %q; use raw or raw.zst", m.Format)
	return c.Err("the image cannot be imported")
}

// receive stores the bytes and hashes both forms while they pass.
func receive(ctx context.Context, w io.Writer, r io.Reader, m Meta) (protocol.ImageManifest, error) {
	manifest := protocol.ImageManifest{ID: id.New("img"), Name: m.Name, OSFamily: m.OSFamily, Format: m.Format}
	file := &meter{hash: sha256.New()}
	raw := &meter{hash: sha256.New()}
	in := io.TeeReader(&bound{ctx: ctx, r: r}, io.MultiWriter(w, file))
	if err := unpack(raw, in, m.Format); err != nil {
		return manifest, err
	}
	if raw.n == 0 {
		return manifest, fault.Invalid("the image is empty")
	}
	manifest.RawBytes, manifest.RawSHA256 = raw.n, raw.sum()
	manifest.FileBytes, manifest.FileSHA256 = file.n, file.sum()
	return manifest, nil
}

func unpack(dst io.Writer, src io.Reader, format string) error {
	if format == "raw" {
		_, err := io.Copy(dst, io.LimitReader(src, maxRaw))
		return err
	}
	dec, err := zstd.NewReader(src, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer dec.Close()
	n, err := io.Copy(dst, io.LimitReader(dec, maxRaw+1))
	switch {
	case err != nil && fault.KindOf(err) == fault.KindInternal:
		return fault.Invalid("the file is not whole zstd data: %w", err)
	case err != nil:
		return err
	case n > maxRaw:
		return fault.Invalid("the image unpacks to more than 4 TiB")
	}
	return nil
}

// keep makes the bytes durable and gives them their name.
func (s *Store) keep(tmp *os.File, name string) error {
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), filepath.Join(s.dir, name)); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type meter struct {
	hash hash.Hash
	n    uint64
}

func (m *meter) Write(p []byte) (int, error) {
	m.n += uint64(len(p))
	return m.hash.Write(p)
}

func (m *meter) sum() string { return hex.EncodeToString(m.hash.Sum(nil)) }

// bound ends a read when the request is over.
type bound struct {
	ctx context.Context
	r   io.Reader
}

func (b *bound) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}
