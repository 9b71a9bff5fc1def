package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

var formats = []string{Raw, Zstd, Gzip, QCOW2}

const partial = ".partial-"

// Meta is what a person says about an image.
type Meta struct {
	Name     string
	OSFamily string // "linux" or "windows"
	Format   string // of what is imported: Raw, Zstd, Gzip or QCOW2
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

// Import reads a whole image from r, checks that it unpacks, keeps it as frames and
// returns its signed record. Nothing is kept when it fails.
func (s *Store) Import(ctx context.Context, r io.Reader, m Meta) (image.Image, error) {
	if err := m.check(); err != nil {
		return image.Image{}, err
	}
	manifest, err := s.receive(ctx, r, m)
	if err != nil {
		return image.Image{}, fmt.Errorf("import image %s: %w", m.Name, err)
	}
	img := image.Image{ImageManifest: manifest, CreatedAt: time.Now().UTC(), CreatedBy: m.Actor}
	img.SignedManifest, img.Signature, err = protocol.Sign(manifest, s.sign)
	return img, err
}

func (m Meta) check() error {
	var c fault.Check
	c.Require(m.Name != "" && len(m.Name) <= 128, "name", "is empty or longer than 128 bytes")
	c.Require(m.OSFamily == "linux" || m.OSFamily == "windows", "os_family", "is %q; use linux or windows", m.OSFamily)
	c.Require(slices.Contains(formats, m.Format), "format", "is %q; use one of %s", m.Format, strings.Join(formats, ", "))
	return c.Err("the image cannot be imported")
}

// receive keeps the image as frames, and then their index.
func (s *Store) receive(ctx context.Context, r io.Reader, m Meta) (protocol.ImageManifest, error) {
	manifest := protocol.ImageManifest{ID: id.New("img"), Name: m.Name, OSFamily: m.OSFamily, Format: protocol.FormatFrames}
	raw, err := s.unpack(ctx, &bound{ctx: ctx, r: r}, m.Format)
	if err != nil {
		return manifest, err
	}
	defer raw.Close()
	p, err := newPacker()
	if err != nil {
		return manifest, err
	}
	manifest.FileSHA256, manifest.FileBytes, err = s.keep(func(w io.Writer) error {
		err := p.pack(ctx, &bounded{&bound{ctx: ctx, r: raw}, protocol.MaxRawBytes}, w)
		if err == nil && p.bytes == 0 {
			return fault.Invalid("the image is empty")
		}
		return err
	})
	if err != nil {
		return manifest, err
	}
	manifest.RawBytes, manifest.RawSHA256 = p.bytes, hex.EncodeToString(p.raw.Sum(nil))
	index, err := json.Marshal(p.index)
	if err != nil {
		return manifest, err
	}
	manifest.IndexSHA256, manifest.IndexBytes, err = s.keep(func(w io.Writer) error {
		_, err := w.Write(index)
		return err
	})
	if err != nil {
		return manifest, err
	}
	return manifest, manifest.Validate()
}

// keep stores what write writes under its digest, durably, or nothing.
func (s *Store) keep(write func(io.Writer) error) (name string, size uint64, err error) {
	tmp, err := os.CreateTemp(s.dir, partial)
	if err != nil {
		return "", 0, fault.Unavailable("write to the image store: %w", err)
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing to remove
	defer tmp.Close()
	m := &meter{w: tmp, hash: sha256.New()}
	if err := write(m); err != nil {
		return "", 0, err
	}
	return m.sum(), m.n, s.publish(tmp, m.sum())
}

// publish makes the bytes durable and gives them their name.
func (s *Store) publish(tmp *os.File, name string) error {
	err := tmp.Sync()
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(s.dir, name))
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return fault.Unavailable("write to the image store: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// meter counts and hashes what goes into a file. A write that fails is worth another try: the store is full.
type meter struct {
	w    io.Writer
	hash hash.Hash
	n    uint64
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += uint64(n)
	m.hash.Write(p[:n])
	if err != nil {
		err = fault.Unavailable("write to the image store: %w", err)
	}
	return n, err
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
	n, err := b.r.Read(p)
	if err == io.ErrUnexpectedEOF { //nolint:errorlint // what net/http says of a body
		err = fault.Unavailable("the upload broke off: %w", err)
	}
	return n, err
}
