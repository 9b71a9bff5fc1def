package install

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// picture makes an image: noise, zeros, noise at the end.
func picture(size int) []byte {
	raw := make([]byte, size)
	r := rand.New(rand.NewPCG(7, uint64(size)))
	for i := range size / 2 {
		raw[i] = byte(r.Uint32())
	}
	raw[size-1] = 0xEE
	return raw
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// packed is an image as a controller keeps it.
type packed struct {
	raw, file []byte
	index     protocol.ImageIndex
}

const frameBytes = 1 << 20

// pack makes frames of a mebibyte, so that small images have many.
func pack(t testing.TB, raw []byte) *packed {
	t.Helper()
	p := &packed{raw: raw}
	for at := 0; at < len(raw); at += frameBytes {
		part := raw[at:min(at+frameBytes, len(raw))]
		if bytes.Equal(part, make([]byte, len(part))) {
			continue
		}
		p.add(t, at, part)
	}
	return p
}

func (p *packed) add(t testing.TB, at int, part []byte, options ...zstd.EOption) {
	t.Helper()
	e, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	frame := e.EncodeAll(part, nil)
	p.index.Frames = append(p.index.Frames, protocol.ImageFrame{
		At: uint64(at), Bytes: uint64(len(part)), FileAt: uint64(len(p.file)), FileBytes: uint64(len(frame)), SHA256: sum(part), FileSHA256: sum(frame),
	})
	p.file = append(p.file, frame...)
}

func (p *packed) text() []byte {
	text, err := json.Marshal(p.index)
	if err != nil {
		panic(err)
	}
	return text
}

func (p *packed) manifest() protocol.ImageManifest {
	return protocol.ImageManifest{
		ID: "img-1", Name: "debian-12", OSFamily: "linux", Format: protocol.FormatFrames,
		RawBytes: uint64(len(p.raw)), RawSHA256: digest(p.raw), FileBytes: uint64(len(p.file)), FileSHA256: digest(p.file),
		IndexBytes: uint64(len(p.text())), IndexSHA256: digest(p.text()),
	}
}

// store serves the files of an image, and breaks as told.
type store struct {
	mu    sync.Mutex
	image *packed
	cut   []int // bytes that the next connections give before they break
	err   error // what Fetch answers
	asked []uint64
}

func (s *store) Fetch(_ context.Context, name string, offset uint64) (io.ReadCloser, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.asked = append(s.asked, offset)
		return nil, 0, s.err
	}
	if name == digest(s.image.text()) {
		body := s.image.text()[offset:]
		return io.NopCloser(bytes.NewReader(body)), uint64(len(body)), nil
	}
	s.asked = append(s.asked, offset)
	body := s.image.file[min(offset, uint64(len(s.image.file))):]
	follow := uint64(len(body))
	if len(s.cut) > 0 {
		body, s.cut = body[:min(len(body), s.cut[0])], s.cut[1:]
	}
	return io.NopCloser(bytes.NewReader(body)), follow, nil
}

// notes is a Job that remembers in memory.
type notes struct {
	mu     sync.Mutex
	text   []byte
	last   uint64
	total  uint64
	marks  []Mark
	refuse error
}

func (n *notes) Report(done, total uint64, _, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last, n.total = max(n.last, done), total
}

func (n *notes) Remember(note any) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return n.refuse
	}
	n.marks = append(n.marks, note.(Mark))
	n.text, err = json.Marshal(note)
	return err
}

func (n *notes) Recall(note any) (bool, error) {
	if n.text == nil {
		return false, nil
	}
	return true, json.Unmarshal(n.text, note)
}

const diskSize = 16 << 20

var diskRef = protocol.DiskRef{Name: "sda", Serial: "Fa", SizeBytes: diskSize}

func machine() *fake.Machine {
	inv := hardware.Inventory{Disks: []hardware.Disk{{Name: "sda", Serial: "Fa", SizeBytes: diskSize}}}
	return fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
}

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
		for what, raw := range map[string][]byte{"noise and zeros": picture(size), "zeros": make([]byte, size), "zeros first": append(make([]byte, size-1), 9)} {
			p := pack(t, raw)
			m, job := machine(), &notes{}
			m.Disk(0).Fill(0, bytes.Repeat([]byte("what a tenant left"), diskSize/18))
			got, err := Run(t.Context(), m, &store{image: p}, p.manifest(), diskRef, job)
			if err != nil || !got.ReadBack || got.RawSHA256 != digest(raw) || got.RawBytes != uint64(size) {
				t.Fatalf("%s, %d bytes: %+v %v", what, size, got, err)
			}
			if job.last != job.total || job.total != 2*uint64(size) {
				t.Errorf("%s, %d bytes: progress %d of %d", what, size, job.last, job.total)
			}
			if !bytes.Equal(content(t, m, diskRef, size), raw) {
				t.Errorf("%s, %d bytes: the disk holds something else", what, size)
			}
			confirm := &protocol.ConfirmCommand{Disk: diskRef, RawBytes: uint64(size), RawSHA256: digest(raw)}
			if _, err := Confirm(t.Context(), m, confirm, job); err != nil {
				t.Errorf("confirm: %v", err)
			}
			m.Disk(0).Fill(int64(size-1), []byte{0x11})
			if _, err := Confirm(t.Context(), m, confirm, job); !fault.Is(err, fault.KindRefused) {
				t.Errorf("confirm a changed disk: %v", err)
			}
		}
	}
}

func TestB43_ABrokenConnectionGoesOnWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pack(t, picture(6<<20))
		s := &store{image: p, cut: []int{100, 0, 2 << 20, 1}}
		m := machine()
		if _, err := Run(t.Context(), m, s, p.manifest(), diskRef, &notes{}); err != nil {
			t.Fatal(err)
		}
		want := []uint64{0, 100, 100, 100 + 2<<20, 101 + 2<<20}
		if !slices.Equal(s.asked, want) {
			t.Errorf("fetched at %v, not at %v", s.asked, want)
		}
		if !bytes.Equal(content(t, m, diskRef, len(p.raw)), p.raw) {
			t.Error("the disk holds something else")
		}
	})
}

// TestB43_ABadImageIsNeverInstalled changes what comes in every way; none may succeed, and
// none may leave a disk that boots.
func TestB43_ABadImageIsNeverInstalled(t *testing.T) {
	raw := picture(3<<20 + 77)
	for _, c := range []struct {
		what   string
		change func(p *packed, m *protocol.ImageManifest)
		again  bool // the manifest is made after the change: signed so
	}{
		{"truncated", func(p *packed, _ *protocol.ImageManifest) { p.file = p.file[:len(p.file)-10] }, false},
		{"truncated, and signed so", func(p *packed, _ *protocol.ImageManifest) { p.file = p.file[:len(p.file)-10] }, true},
		{"a flipped bit", func(p *packed, _ *protocol.ImageManifest) { p.file[len(p.file)/2] ^= 1 }, false},
		{"a flipped bit in the start", func(p *packed, _ *protocol.ImageManifest) { p.file[50] ^= 1 }, false},
		{"longer file", func(p *packed, _ *protocol.ImageManifest) { p.file = append(p.file, 1, 2, 3) }, false},
		{"a frame that unpacks to more", func(p *packed, _ *protocol.ImageManifest) { p.index.Frames[1].Bytes -= 4096 }, true},
		{"a frame that unpacks to less", func(p *packed, m *protocol.ImageManifest) {
			p.raw = append(p.raw, make([]byte, 4096)...)
			p.index.Frames[len(p.index.Frames)-1].Bytes += 4096
		}, true},
		{"a frame of other bytes", func(p *packed, _ *protocol.ImageManifest) { p.index.Frames[1].SHA256 = sum(nil) }, true},
		{"a start of other bytes", func(p *packed, _ *protocol.ImageManifest) { p.index.Frames[0].SHA256 = sum(nil) }, true},
		{"junk in place of a frame", func(p *packed, _ *protocol.ImageManifest) {
			f := p.index.Frames[1]
			junk := p.file[f.FileAt : f.FileAt+f.FileBytes]
			clear(junk)
			p.index.Frames[1].FileSHA256 = sum(junk)
		}, true},
		{"frames that overlap", func(p *packed, _ *protocol.ImageManifest) { p.index.Frames[1].At = 0 }, true},
		{"a frame behind the image's end", func(p *packed, _ *protocol.ImageManifest) {
			p.index.Frames[len(p.index.Frames)-1].At += 1 << 20
		}, true},
		{"another index", func(_ *packed, m *protocol.ImageManifest) { m.IndexSHA256 = digest(nil) }, false},
	} {
		p := pack(t, bytes.Clone(raw))
		man := p.manifest()
		c.change(p, &man)
		if c.again {
			man = p.manifest()
		}
		m := machine()
		m.Disk(0).Fill(0, []byte("old boot sector"))
		got, err := Run(t.Context(), m, indexed{&store{image: p}, p, man}, man, diskRef, &notes{})
		if got != nil || !fault.Is(err, fault.KindRefused) && !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%s: %+v %v", c.what, got, err)
		}
		if start := content(t, m, diskRef, 1<<20); !bytes.Equal(start, make([]byte, len(start))) && !bytes.HasPrefix(start, []byte("old boot sector")) {
			t.Errorf("%s: the disk boots what was not proven", c.what)
		}
	}
}

// indexed serves the index under the name that the manifest asks for.
type indexed struct {
	*store
	p   *packed
	man protocol.ImageManifest
}

func (x indexed) Fetch(ctx context.Context, name string, offset uint64) (io.ReadCloser, uint64, error) {
	if name == x.man.IndexSHA256 {
		name = digest(x.p.text())
	}
	return x.store.Fetch(ctx, name, offset)
}

func TestB43_MemoryIsBounded(t *testing.T) {
	raw := picture(40 << 20)
	p := &packed{raw: raw}
	var big bytes.Buffer
	e, err := zstd.NewWriter(&big, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	p.file = big.Bytes()
	p.index.Frames = []protocol.ImageFrame{{Bytes: uint64(len(raw)), FileBytes: uint64(len(p.file)), SHA256: sum(raw), FileSHA256: sum(p.file)}}
	want := protocol.DiskRef{Name: "sda", Serial: "Fa", SizeBytes: 64 << 20}
	m := fake.New(func() hardware.Inventory {
		return hardware.Inventory{Disks: []hardware.Disk{{Name: "sda", Serial: "Fa", SizeBytes: want.SizeBytes}}}
	}, fake.NewPages())
	_, err = Run(t.Context(), m, &store{image: p}, p.manifest(), want, &notes{})
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("a frame with a window of 64 MiB: %v", err)
	}
}

// TestB43_ARestartedAgentGoesOnWhereItWas kills the work at every write, sync and note in turn; the next one must end
// with the image on the disk, and must not fetch what was noted as written.
func TestB43_ARestartedAgentGoesOnWhereItWas(t *testing.T) {
	p := pack(t, picture(12<<20))
	dead := errors.New("killed")
	leap(t, 2<<20)
	for at := 1; ; at++ {
		m, job, left := machine(), &notes{}, atomic.Int64{}
		left.Store(int64(at))
		m.Disk(0).Fault = func(op fake.Op, _, _ int64) error {
			if op != fake.OpRead && left.Add(-1) < 0 {
				return dead
			}
			return nil
		}
		_, err := Run(t.Context(), m, &store{image: p}, p.manifest(), diskRef, job)
		m.Disk(0).Change(func(d *fake.Disk) { d.Fault = nil })
		if err == nil && at < 10 {
			t.Fatal("the work was killed only at its first accesses")
		}
		if err == nil {
			break
		}
		mark, _ := recall(job, p.manifest())
		s := &store{image: p}
		if got, err := Run(t.Context(), m, s, p.manifest(), diskRef, job); err != nil || !got.ReadBack {
			t.Fatalf("killed at access %d, then: %v", at, err)
		}
		if !bytes.Equal(content(t, m, diskRef, len(p.raw)), p.raw) {
			t.Fatalf("killed at access %d: the disk holds something else", at)
		}
		if i := slices.IndexFunc(p.index.Frames, func(f protocol.ImageFrame) bool { return f.At >= mark.Below && f.At > 0 }); mark.Below > 2<<20 && i > 1 {
			if !slices.Contains(s.asked, p.index.Frames[i].FileAt) {
				t.Errorf("killed at access %d with all below %d written: fetched at %v", at, mark.Below, s.asked)
			}
		}
		if again, err := Run(t.Context(), gone{}, s, p.manifest(), diskRef, job); err != nil || !again.ReadBack {
			t.Errorf("a proven image is asked for again: %v", err)
		}
	}
}

// gone is a machine that must not be touched any more.
type gone struct{ driver.Disks }

// leap lets marks come often.
func leap(t *testing.T, n uint64) {
	was := leastStep
	leastStep = n
	t.Cleanup(func() { leastStep = was })
}

func TestB43_ANoteThatLiesDoesNoHarm(t *testing.T) {
	p := pack(t, picture(6<<20))
	job := &notes{}
	if err := job.Remember(Mark{Image: "img-1", Below: 5 << 20}); err != nil {
		t.Fatal(err)
	}
	if got, err := Run(t.Context(), machine(), &store{image: p}, p.manifest(), diskRef, job); got != nil || !fault.Is(err, fault.KindRefused) {
		t.Errorf("writing went on where nothing was written: %+v %v", got, err)
	}
	if err := job.Remember(Mark{Image: "img-2", Below: 5 << 20, Proven: true}); err != nil {
		t.Fatal(err)
	}
	m := machine()
	if _, err := Run(t.Context(), m, &store{image: p}, p.manifest(), diskRef, job); err != nil || !bytes.Equal(content(t, m, diskRef, len(p.raw)), p.raw) {
		t.Errorf("the note is about another image: %v", err)
	}
}

func TestB43_ADiskThatOnlyClaimsToWriteZerosGetsThem(t *testing.T) {
	raw := picture(8 << 20)
	p := pack(t, raw)
	m := machine()
	m.Disk(0).Fill(0, bytes.Repeat([]byte{0xA5}, diskSize))
	if _, err := Run(t.Context(), claims{m}, &store{image: p}, p.manifest(), diskRef, &notes{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, m, diskRef, len(raw)), raw) {
		t.Error("the disk holds something else")
	}
}

// claims are disks whose command for zeros does nothing.
type claims struct{ driver.Disks }

func (c claims) Open(ctx context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	d, err := c.Disks.Open(ctx, name, mode)
	return claiming{d}, err
}

type claiming struct{ driver.Disk }

func (claiming) WriteZeroes(int64, int64) error { return nil }

func TestB43_ABadDiskIsNeverASuccess(t *testing.T) {
	p := pack(t, picture(4<<20))
	man := p.manifest()
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
		if got, err := Run(t.Context(), m, &store{image: p}, man, diskRef, &notes{}); got != nil || !fault.Is(err, c.kind) {
			t.Errorf("%s: %+v %v", c.what, got, err)
		}
	}
}

func TestB43_AnUnreachableStoreIsWorthAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pack(t, picture(1<<20))
		man := p.manifest()
		short := *p
		short.file = p.file[:100]
		for _, c := range []struct {
			s    *store
			kind fault.Kind
			asks int
		}{
			{&store{err: errors.New("connection refused")}, fault.KindUnavailable, tries},
			{&store{err: fault.NotFound("no such image")}, fault.KindNotFound, 1},
			{&store{image: &short}, fault.KindRefused, 1},
		} {
			_, err := Run(t.Context(), machine(), c.s, man, diskRef, &notes{})
			if !fault.Is(err, c.kind) || len(c.s.asked) != c.asks {
				t.Errorf("asked %d times: %v", len(c.s.asked), err)
			}
		}
	})
}

func TestB43_OnlySignedManifestsAreRead(t *testing.T) {
	good := pack(t, picture(1<<20)).manifest()
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
	odd.Format, wrong.IndexSHA256 = "raw.zst", "no"
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
			p := pack(t, raw)
			if _, err := Run(t.Context(), m, &store{image: p}, p.manifest(), ref, &notes{}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content(t, m, ref, len(raw)), raw) {
				t.Error("the disk holds something else")
			}
		})
	}
}
