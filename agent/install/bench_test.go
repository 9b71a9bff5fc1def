package install

import (
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/protocol"
)

const benchBytes, benchFrame = 256 << 20, 16 << 20

// programs is an image that compresses as systems do, in frames as large as a controller makes them.
func programs(b *testing.B) *packed {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]byte, 1<<16)
	for i := range words {
		words[i] = byte(r.Uint32())
	}
	p := &packed{raw: make([]byte, 0, benchBytes)}
	for len(p.raw) < benchBytes {
		at, n := r.IntN(len(words)-64), min(4+r.IntN(60), benchBytes-len(p.raw))
		p.raw = append(p.raw, words[at:at+n]...)
	}
	for at := 0; at < benchBytes; at += benchFrame {
		p.add(b, at, p.raw[at:at+benchFrame], zstd.WithWindowSize(8<<20))
	}
	return p
}

// sandbox is a file that plays a disk.
func sandbox(b *testing.B) (*linux.Machine, protocol.DiskRef) {
	s, err := linux.OpenSandbox(0, filepath.Join(b.TempDir(), "disk")+":"+strconv.Itoa(benchBytes))
	if err != nil {
		b.Fatal(err)
	}
	m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	list, err := m.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return m, list[0]
}

func BenchmarkRun(b *testing.B) {
	p := programs(b)
	m, ref := sandbox(b)
	manifest := p.manifest()
	run := func(b *testing.B) {
		b.SetBytes(benchBytes)
		for b.Loop() {
			if _, err := Run(b.Context(), m, &store{image: p}, manifest, ref, &notes{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("processors=all", run)
	b.Run("processors=spare", func(b *testing.B) {
		defer runtime.GOMAXPROCS(driver.SpareProcessors())
		run(b)
	})
}

func BenchmarkConfirm(b *testing.B) {
	p := programs(b)
	m, ref := sandbox(b)
	if _, err := Run(b.Context(), m, &store{image: p}, p.manifest(), ref, &notes{}); err != nil {
		b.Fatal(err)
	}
	cmd := &protocol.ConfirmCommand{Disk: ref, RawBytes: benchBytes, RawSHA256: digest(p.raw)}
	b.SetBytes(benchBytes)
	for b.Loop() {
		if _, err := Confirm(b.Context(), m, cmd, &notes{}); err != nil {
			b.Fatal(err)
		}
	}
}
