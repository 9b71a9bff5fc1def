package image

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"os"
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
	if img.RawBytes != uint64(len(raw)) || img.FileBytes != uint64(len(file)) {
		t.Fatalf("sizes: %+v", img.ImageManifest)
	}
	var signed protocol.ImageManifest
	if !ed25519.Verify(pub, img.SignedManifest, img.Signature) || json.Unmarshal(img.SignedManifest, &signed) != nil || signed != img.ImageManifest {
		t.Fatal("the signed manifest is not the record's")
	}
	r, n, err := s.Open(img.FileSHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, _ := io.ReadAll(r); n != int64(len(file)) || !bytes.Equal(got, file) {
		t.Fatal("the stored bytes differ")
	}
}

func TestB43_ABrokenImportLeavesNothing(t *testing.T) {
	whole := packed(t, bytes.Repeat([]byte{7, 1, 2}, 100_000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		m    Meta
		kind fault.Kind
	}{
		"cut off":      {context.Background(), bytes.NewReader(whole[:len(whole)-3]), linux, fault.KindInvalid},
		"no zstd":      {context.Background(), bytes.NewReader([]byte("MZ not an image")), linux, fault.KindInvalid},
		"empty":        {context.Background(), bytes.NewReader(nil), Meta{Name: "x", OSFamily: "linux", Format: "raw"}, fault.KindInvalid},
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
