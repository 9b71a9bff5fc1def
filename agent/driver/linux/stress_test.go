package linux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/big"
	"testing"
	"time"
)

// TestB46_TheRightAnswersAreRight works the constants of the processor test out a second way.
func TestB46_TheRightAnswersAreRight(t *testing.T) {
	h := sha256.New()
	for range 1 << 10 {
		h.Write(make([]byte, 1<<10))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != wantHash {
		t.Errorf("digest of 1 MiB of zeros: %s", got)
	}
	if got := slowIntegers(); got != wantInteger {
		t.Errorf("integer sum %#x", got)
	}
	if got := slowFloats(); got != wantFloat {
		t.Errorf("floating point sum %#x", got)
	}
	if what := round(); what != "" {
		t.Errorf("this processor computes a wrong %s", what)
	}
}

func slowIntegers() uint64 {
	mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1))
	a := new(big.Int).SetUint64(6364136223846793005)
	c := new(big.Int).SetUint64(1442695040888963407)
	x, sum := big.NewInt(1), new(big.Int)
	for range 100_000 {
		x.And(x.Add(x.Mul(x, a), c), mask)
		by := new(big.Int).Rsh(x, 40)
		by.Or(by, big.NewInt(1))
		sum.Xor(sum, by.Div(x, by))
		low := new(big.Int).Rsh(sum, 57)
		sum.And(sum.Lsh(sum, 7), mask)
		sum.Or(sum, low)
	}
	return sum.Uint64()
}

// slowFloats rounds to 53 bits after every step, as a double does.
func slowFloats() uint64 {
	double := func() *big.Float { return new(big.Float).SetPrec(53) }
	sum := double()
	for i := int64(1); i <= 100_000; i++ {
		f := double().SetInt64(i)
		root := double().Sqrt(f)
		q := double().Quo(double().Mul(root, root), f)
		sum = double().Add(sum, q)
		sum = double().Sub(sum, double().Quo(double().SetInt64(1), f))
	}
	v, _ := sum.Float64()
	return math.Float64bits(v)
}

func TestB46_EveryProcessorIsWorked(t *testing.T) {
	m := New(Options{Sandbox: []*SandboxDisk{}})
	r, err := m.Stress(context.Background(), 50*time.Millisecond)
	if err != nil || r.CPUs == 0 || r.Done < uint64(r.CPUs) || r.Wrong != 0 {
		t.Errorf("stress: %+v %v", r, err)
	}
}

func TestB46_MemoryIsWrittenAndReadBack(t *testing.T) {
	m := New(Options{Sandbox: []*SandboxDisk{}})
	got, err := m.TestMemory(context.Background(), 8<<20, 30*time.Second)
	if err != nil || got.Bytes != 8<<20 || got.Passes != len(patterns) || got.Wrong != 0 {
		t.Errorf("memory: %+v %v", got, err)
	}
}

func TestB46_AFlippedBitIsFound(t *testing.T) {
	words := make([]uint64, 1024)
	for i := range words {
		words[i] = patterns[2].at(uint64(i))
	}
	words[700] ^= 1 << 17
	got := testWords(context.Background(), words[:0])
	checkWords(&got, words, 0, "its own address", patterns[2].at)
	if got.Wrong != 1 || got.Detail == "" {
		t.Errorf("a flipped bit: %+v", got)
	}
}
