package install

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var public, private, _ = ed25519.GenerateKey(nil)

// picture makes an image: half of it noise, half zeros.
func picture(size int) []byte {
	raw := make([]byte, size)
	r := rand.New(rand.NewPCG(7, uint64(size)))
	for i := range size / 2 {
		raw[i] = byte(r.Uint32())
	}
	raw[size-1] = 0xEE
	return raw
}

func pack(t *testing.T, raw []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(raw, nil)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func manifest(format string, raw, file []byte) protocol.ImageManifest {
	return protocol.ImageManifest{
		ID: "img-1", Name: "debian-12", OSFamily: "linux", Format: format,
		RawBytes: uint64(len(raw)), RawSHA256: digest(raw), FileBytes: uint64(len(file)), FileSHA256: digest(file),
	}
}

// store serves one file and breaks as told.
type store struct {
	mu    sync.Mutex
	file  []byte
	cut   []int // bytes that the next connections give before they break
	err   error // what Fetch answers
	asked []uint64
}

func (s *store) Fetch(_ context.Context, _ string, offset uint64) (io.ReadCloser, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, offset)
	if s.err != nil {
		return nil, 0, s.err
	}
	body := s.file[min(offset, uint64(len(s.file))):]
	follow := uint64(len(body))
	if len(s.cut) > 0 {
		body, s.cut = body[:min(len(body), s.cut[0])], s.cut[1:]
	}
	return io.NopCloser(bytes.NewReader(body)), follow, nil
}

const diskSize = 16 << 20

var diskRef = protocol.DiskRef{Name: "sda", Serial: "Fa", SizeBytes: diskSize}

func machine() *fake.Machine {
	inv := hardware.Inventory{Disks: []hardware.Disk{{Name: "sda", Serial: "Fa", SizeBytes: diskSize}}}
	return fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
}

func quiet(uint64, uint64, string, string) {}

func content(t *testing.T, m driver.Disks, ref protocol.DiskRef, n int) []byte {
	t.Helper()
	d, err := driver.Open(t.Context(), m, ref, driver.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	buf := driver.Buffer(int(driver.RoundUp(int64(n))))
	if _, err := d.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestB43_TheDiskHoldsTheImage(t *testing.T) {
	for _, size := range []int{1, 4096, 100_000, 1 << 20, 1<<20 + 1, 5<<20 + 12345, diskSize} {
		for _, format := range []string{FormatRaw, FormatZstd} {
			raw := picture(size)
			file := raw
			if format == FormatZstd {
				file = pack(t, raw)
			}
			m, man := machine(), manifest(format, raw, file)
			var last, total uint64
			got, err := Run(t.Context(), m, &store{file: file}, man, diskRef, func(done, of uint64, _, _ string) { last, total = done, of })
			if err != nil || !got.ReadBack || got.RawSHA256 != digest(raw) || got.RawBytes != uint64(size) {
				t.Fatalf("%s of %d bytes: %+v %v", format, size, got, err)
			}
			if last != total || total != 2*uint64(size) {
				t.Errorf("%s of %d bytes: progress %d of %d", format, size, last, total)
			}
			if !bytes.Equal(content(t, m, diskRef, size), raw) {
				t.Errorf("%s of %d bytes: the disk holds something else", format, size)
			}
			confirm := &protocol.ConfirmCommand{Disk: diskRef, RawBytes: uint64(size), RawSHA256: digest(raw)}
			if _, err := Confirm(t.Context(), m, confirm, quiet); err != nil {
				t.Errorf("confirm: %v", err)
			}
			m.Disk(0).Fill(int64(size-1), []byte{0x11})
			if _, err := Confirm(t.Context(), m, confirm, quiet); !fault.Is(err, fault.KindRefused) {
				t.Errorf("confirm a changed disk: %v", err)
			}
		}
	}
}

func TestB43_ABrokenConnectionGoesOnWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := picture(6 << 20)
		s := &store{file: raw, cut: []int{100, 0, 2 << 20, 1}}
		if _, err := Run(t.Context(), machine(), s, manifest(FormatRaw, raw, raw), diskRef, quiet); err != nil {
			t.Fatal(err)
		}
		want := []uint64{0, 100, 100, 100 + 2<<20, 101 + 2<<20}
		if len(s.asked) != len(want) {
			t.Fatalf("fetched at %v", s.asked)
		}
		for i := range want {
			if s.asked[i] != want[i] {
				t.Errorf("fetched at %v, not at %v", s.asked, want)
			}
		}
	})
}

// TestB43_ABadImageIsNeverInstalled changes the stream in every way; none may succeed, and
// none may leave a disk that boots.
func TestB43_ABadImageIsNeverInstalled(t *testing.T) {
	raw := picture(3<<20 + 77)
	good := pack(t, raw)
	flip := func(b []byte, at int) []byte {
		c := bytes.Clone(b)
		c[at] ^= 1
		return c
	}
	for _, c := range []struct {
		what   string
		file   []byte
		change func(*protocol.ImageManifest)
		kind   fault.Kind
	}{
		{"truncated", good[:len(good)-10], nil, fault.KindRefused},
		{"truncated, and signed so", good[:len(good)-10], func(m *protocol.ImageManifest) {
			m.FileBytes, m.FileSHA256 = uint64(len(good)-10), digest(good[:len(good)-10])
		}, fault.KindRefused},
		{"a flipped bit", flip(good, len(good)/2), nil, fault.KindRefused},
		{"a flipped bit in a raw file", flip(raw, 5), func(m *protocol.ImageManifest) { *m = manifest(FormatRaw, raw, raw) }, fault.KindRefused},
		{"longer file", append(bytes.Clone(good), 1, 2, 3), nil, fault.KindRefused},
		{"longer image", pack(t, append(bytes.Clone(raw), 9)), func(m *protocol.ImageManifest) {
			f := pack(t, append(bytes.Clone(raw), 9))
			m.FileBytes, m.FileSHA256 = uint64(len(f)), digest(f)
		}, fault.KindRefused},
		{"shorter image", pack(t, raw[:3<<20]), func(m *protocol.ImageManifest) {
			f := pack(t, raw[:3<<20])
			m.FileBytes, m.FileSHA256 = uint64(len(f)), digest(f)
		}, fault.KindRefused},
		{"junk behind the image", append(bytes.Clone(good), []byte("junk")...), func(m *protocol.ImageManifest) {
			f := append(bytes.Clone(good), []byte("junk")...)
			m.FileBytes, m.FileSHA256 = uint64(len(f)), digest(f)
		}, fault.KindRefused},
		{"another image digest", good, func(m *protocol.ImageManifest) { m.RawSHA256 = digest(nil) }, fault.KindRefused},
		{"no zstd at all", raw, func(m *protocol.ImageManifest) {
			m.FileBytes, m.FileSHA256 = uint64(len(raw)), digest(raw)
		}, fault.KindRefused},
	} {
		man := manifest(FormatZstd, raw, good)
		if c.change != nil {
			c.change(&man)
		}
		m := machine()
		m.Disk(0).Fill(0, []byte("old boot sector"))
		got, err := Run(t.Context(), m, &store{file: c.file}, man, diskRef, quiet)
		if got != nil || !fault.Is(err, c.kind) {
			t.Errorf("%s: %+v %v", c.what, got, err)
		}
		if start := content(t, m, diskRef, 1<<20); !bytes.Equal(start, make([]byte, len(start))) {
			t.Errorf("%s: the disk still boots", c.what)
		}
	}
}

func TestB43_MemoryIsBounded(t *testing.T) {
	raw := picture(8 << 20)
	var big bytes.Buffer
	e, err := zstd.NewWriter(&big, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(e, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	file := big.Bytes()
	_, err = Run(t.Context(), machine(), &store{file: file}, manifest(FormatZstd, raw, file), diskRef, quiet)
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("an image with a window of 64 MiB: %v", err)
	}
}

func TestB43_ABadDiskIsNeverASuccess(t *testing.T) {
	raw := picture(4 << 20)
	man := manifest(FormatRaw, raw, raw)
	for _, c := range []struct {
		what  string
		spoil func(*fake.Disk)
		kind  fault.Kind
	}{
		{"it lies", func(d *fake.Disk) { d.Lies = true }, fault.KindRefused},
		{"it dies", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, off, _ int64) error {
				if op == fake.OpWrite && off >= 2<<20 {
					return syscall.EIO
				}
				return nil
			}
		}, fault.KindRefused},
		{"it is read-only", func(d *fake.Disk) { d.ReadOnly = true }, fault.KindRefused},
		{"it is mounted", func(d *fake.Disk) { d.InUse = "mounted" }, fault.KindRefused},
		{"it is gone", func(d *fake.Disk) { d.Gone = true }, fault.KindNotFound},
		{"it is another one", func(d *fake.Disk) { d.Ref.Serial = "other" }, fault.KindNotFound},
		{"it is swapped in the middle", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, _, _ int64) error {
				if op == fake.OpSync {
					d.Change(func(d *fake.Disk) { d.Ref.Serial = "other" })
				}
				return nil
			}
		}, fault.KindRefused},
	} {
		m := machine()
		c.spoil(m.Disk(0))
		if got, err := Run(t.Context(), m, &store{file: raw}, man, diskRef, quiet); got != nil || !fault.Is(err, c.kind) {
			t.Errorf("%s: %+v %v", c.what, got, err)
		}
	}
}

func TestB43_AnUnreachableStoreIsWorthAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := picture(1 << 20)
		for _, c := range []struct {
			s    *store
			kind fault.Kind
			asks int
		}{
			{&store{err: errors.New("connection refused")}, fault.KindUnavailable, tries},
			{&store{err: fault.NotFound("no such image")}, fault.KindNotFound, 1},
			{&store{file: raw[:100]}, fault.KindRefused, 1},
		} {
			_, err := Run(t.Context(), machine(), c.s, manifest(FormatRaw, raw, raw), diskRef, quiet)
			if !fault.Is(err, c.kind) || len(c.s.asked) != c.asks {
				t.Errorf("asked %d times: %v", len(c.s.asked), err)
			}
		}
	})
}

func TestB43_OnlySignedManifestsAreRead(t *testing.T) {
	raw := picture(1 << 20)
	good := manifest(FormatRaw, raw, raw)
	sign := func(m protocol.ImageManifest) *protocol.ImageCommand {
		body, sig, err := protocol.Sign(m, func(b []byte) []byte { return ed25519.Sign(private, b) })
		if err != nil {
			t.Fatal(err)
		}
		return &protocol.ImageCommand{SignedManifest: body, Signature: sig, Disk: diskRef}
	}
	if m, err := Verify(public, sign(good)); err != nil || m != good {
		t.Fatalf("a good manifest: %v", err)
	}
	forged := sign(good)
	forged.SignedManifest[20] ^= 1
	small := sign(good)
	small.Disk.SizeBytes = 1000
	odd, wrong := good, good
	odd.Format, wrong.RawSHA256 = "qcow2", "no"
	for _, c := range []struct {
		what string
		cmd  *protocol.ImageCommand
		kind fault.Kind
	}{
		{"none", nil, fault.KindInvalid},
		{"forged", forged, fault.KindDenied},
		{"too big for the disk", small, fault.KindRefused},
		{"unknown format", sign(odd), fault.KindInvalid},
		{"no digest", sign(wrong), fault.KindInvalid},
	} {
		if _, err := Verify(public, c.cmd); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestB43_RealDisks(t *testing.T) {
	for name, spec := range map[string]func(t *testing.T) string{
		"file": func(t *testing.T) string { return t.TempDir() + "/disk:24MiB" },
		"loop": func(t *testing.T) string { return drivertest.Loop(t, 24<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := linux.OpenSandbox(0, spec(t))
			if err != nil {
				t.Fatal(err)
			}
			m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
			ref := protocol.DiskRef{Name: "?", Serial: "sandbox-0", SizeBytes: 24 << 20}
			raw := picture(10<<20 + 333)
			file := pack(t, raw)
			if _, err := Run(t.Context(), m, &store{file: file}, manifest(FormatZstd, raw, file), ref, quiet); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content(t, m, ref, len(raw)), raw) {
				t.Error("the disk holds something else")
			}
		})
	}
}
