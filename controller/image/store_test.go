package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func open(t *testing.T) (*Store, ed25519.PublicKey, string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := Open(dir, func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		t.Fatal(err)
	}
	return s, pub, dir
}

func packed(t *testing.T, raw []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(raw, nil)
}

var linux = Meta{Name: "demo", OSFamily: "linux", Format: "raw.zst", Actor: "ann"}

func TestB43_ImportSignsWhatTheDiskWillHold(t *testing.T) {
	s, pub, _ := open(t)
	raw := bytes.Repeat([]byte("steelyard "), 50_000)
	file := packed(t, raw)
	img, err := s.Import(context.Background(), bytes.NewReader(file), linux)
	if err != nil {
		t.Fatal(err)
	}
	if img.RawBytes != uint64(len(raw)) || img.RawSHA256 != digest(raw) {
		t.Fatalf("sizes: %+v", img.ImageManifest)
	}
	var signed protocol.ImageManifest
	if !ed25519.Verify(pub, img.SignedManifest, img.Signature) || json.Unmarshal(img.SignedManifest, &signed) != nil || signed != img.ImageManifest {
		t.Fatal("the signed manifest is not the record's")
	}
	if got := whole(t, s, img.ImageManifest); !bytes.Equal(got, raw) {
		t.Fatal("the frames are not the image")
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func bytesOf(t *testing.T, s *Store, name string) []byte {
	t.Helper()
	r, n, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || int64(len(got)) != n || digest(got) != name {
		t.Fatalf("stored file %s: %d of %d bytes, %v", name, len(got), n, err)
	}
	return got
}

// whole unpacks a stored image by its index, frame by frame, as a machine does.
func whole(t *testing.T, s *Store, m protocol.ImageManifest) []byte {
	t.Helper()
	index, err := protocol.ReadIndex(bytesOf(t, s, m.IndexSHA256), m)
	if err != nil {
		t.Fatal(err)
	}
	file := bytesOf(t, s, m.FileSHA256)
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw := make([]byte, m.RawBytes)
	for _, f := range index.Frames {
		part := file[f.FileAt : f.FileAt+f.FileBytes]
		got, err := dec.DecodeAll(part, nil)
		if err != nil || digest(part) != hex.EncodeToString(f.FileSHA256) || digest(got) != hex.EncodeToString(f.SHA256) {
			t.Fatalf("frame at %d: %v", f.At, err)
		}
		copy(raw[f.At:], got)
	}
	return raw
}

// TestB43_EveryFormIsKeptAsTheSameFrames imports one image in every form that there is.
func TestB43_EveryFormIsKeptAsTheSameFrames(t *testing.T) {
	raw := make([]byte, 70<<20)
	noise := rand.NewChaCha8([32]byte{1})
	for _, at := range []int{0, 20 << 20, 69 << 20} {
		if _, err := noise.Read(raw[at : at+1<<20]); err != nil {
			t.Fatal(err)
		}
	}
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write(raw); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	s, _, dir := open(t)
	var want protocol.ImageManifest
	for _, c := range []struct {
		format string
		file   []byte
	}{{Raw, raw}, {Zstd, packed(t, raw)}, {Gzip, gz.Bytes()}, {QCOW2, qcow2(t, raw)}} {
		img, err := s.Import(t.Context(), bytes.NewReader(c.file), Meta{Name: "demo", OSFamily: "linux", Format: c.format})
		if err != nil {
			t.Fatalf("%s: %v", c.format, err)
		}
		if want.ID == "" {
			want = img.ImageManifest
		}
		if img.FileSHA256 != want.FileSHA256 || img.IndexSHA256 != want.IndexSHA256 || img.RawSHA256 != digest(raw) {
			t.Errorf("%s gives other frames: %+v", c.format, img.ImageManifest)
		}
	}
	if want.FileBytes > 4<<20 {
		t.Errorf("the zeros were kept: %d bytes", want.FileBytes)
	}
	if !bytes.Equal(whole(t, s, want), raw) {
		t.Error("the frames are not the image")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%d files are kept of one image", len(left))
	}
}

// qcow2 lets qemu-img make an image.
func qcow2(t *testing.T, raw []byte, options ...string) []byte {
	t.Helper()
	program(t, "qemu-img")
	dir := t.TempDir()
	from, to := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	if err := os.WriteFile(from, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("qemu-img", append(append([]string{"convert", "-q", "-c", "-O", "qcow2"}, options...), from, to)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// program skips where a program is not installed, and fails on a build machine.
func program(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestB43_AQCOW2ThatNamesOtherFilesIsRefused: what it names would be a file of the controller.
func TestB43_AQCOW2ThatNamesOtherFilesIsRefused(t *testing.T) {
	program(t, "qemu-img")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("secret "), 40_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string][]string{
		"backing file":  {"create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret},
		"external data": {"create", "-q", "-f", "qcow2", "-o", "data_file=" + filepath.Join(dir, "data") + ",data_file_raw=on"},
		"encrypted":     {"create", "-q", "-f", "qcow2"},
	} {
		file := filepath.Join(dir, "image-of-"+strings.ReplaceAll(what, " ", "-"))
		args = append(args, file)
		if what != "backing file" {
			args = append(args, "1M")
		}
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", what, err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if what == "encrypted" { // said in the header; making the keys takes a processor for itself
			binary.BigEndian.PutUint32(text[32:], 2)
		}
		s, _, store := open(t)
		if _, err := s.Import(t.Context(), bytes.NewReader(text), Meta{Name: "x", OSFamily: "linux", Format: QCOW2}); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", what, err)
		}
		if left, _ := os.ReadDir(store); len(left) != 0 {
			t.Errorf("%s: %d files left", what, len(left))
		}
	}
}

func FuzzQCOW2Header(f *testing.F) {
	head := make([]byte, 128)
	binary.BigEndian.PutUint32(head, qcow2Magic)
	binary.BigEndian.PutUint32(head[4:], 3)
	binary.BigEndian.PutUint64(head[24:], 1<<30)
	binary.BigEndian.PutUint32(head[100:], 104)
	f.Add(head)
	f.Fuzz(func(t *testing.T, head []byte) {
		if checkQCOW2(head) == nil && binary.BigEndian.Uint64(head[8:]) != 0 {
			t.Error("a backing file was taken")
		}
	})
}

func TestB43_ABrokenImportLeavesNothing(t *testing.T) {
	whole := packed(t, bytes.Repeat([]byte{7, 1, 2}, 100_000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	noise := make([]byte, 1<<20)
	if _, err := rand.NewChaCha8([32]byte{2}).Read(noise); err != nil {
		t.Fatal(err)
	}
	qcow := qcow2(t, noise)
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		m    Meta
		kind fault.Kind
	}{
		"cut off":      {context.Background(), bytes.NewReader(whole[:len(whole)-3]), linux, fault.KindInvalid},
		"no zstd":      {context.Background(), bytes.NewReader([]byte("MZ not an image")), linux, fault.KindInvalid},
		"empty":        {context.Background(), bytes.NewReader(nil), Meta{Name: "x", OSFamily: "linux", Format: "raw"}, fault.KindInvalid},
		"cut qcow2":    {context.Background(), bytes.NewReader(qcow[:len(qcow)/2]), Meta{Name: "x", OSFamily: "linux", Format: "qcow2"}, fault.KindInvalid},
		"no qcow2":     {context.Background(), bytes.NewReader(whole), Meta{Name: "x", OSFamily: "linux", Format: "qcow2"}, fault.KindInvalid},
		"no gzip":      {context.Background(), bytes.NewReader(whole), Meta{Name: "x", OSFamily: "linux", Format: "raw.gz"}, fault.KindInvalid},
		"bad format":   {context.Background(), bytes.NewReader(whole), Meta{Name: "x", OSFamily: "linux", Format: "vmdk"}, fault.KindInvalid},
		"no name":      {context.Background(), bytes.NewReader(whole), Meta{OSFamily: "linux", Format: "raw"}, fault.KindInvalid},
		"canceled":     {ctx, bytes.NewReader(whole), linux, fault.KindUnavailable},
		"broken input": {context.Background(), io.MultiReader(bytes.NewReader(whole[:50]), errReader{}), linux, fault.KindUnavailable},
	} {
		s, _, dir := open(t)
		_, err := s.Import(c.ctx, c.r, c.m)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: got %v (%s), want %s", name, err, fault.KindOf(err), c.kind)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: %d files left", name, len(left))
		}
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) {
	return 0, fault.Unavailable("upload broke: %w", errors.New("reset"))
}

func TestOpenRefusesWhatIsNoDigest(t *testing.T) {
	s, _, _ := open(t)
	for _, name := range []string{"../authority/key", "", "zz"} {
		if _, _, err := s.Open(name); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, _, err := s.Open("0000000000000000000000000000000000000000000000000000000000000000"); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("absent: %v", err)
	}
}
