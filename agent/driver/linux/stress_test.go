package linux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/big"
	"strings"
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
	var told uint64
	got, err := m.TestMemory(context.Background(), 8<<20, 30*time.Second, 2, func(_ int, done, _ uint64) { told = done })
	if err != nil || got.Bytes != 8<<20 || got.Of != 8<<20 || got.Passes != 2 || got.Wrong != 0 || told != 8<<20 {
		t.Errorf("memory: %+v %v, told %d", got, err, told)
	}
}

// TestB46_MemoryIsTestedAlsoWhenTimeIsShort: one block always is, with every pattern, and what was not is told.
func TestB46_MemoryIsTestedAlsoWhenTimeIsShort(t *testing.T) {
	got := testPasses(context.Background(), make([]uint64, 3*blockWords), 0, 1, func(int, uint64, uint64) {})
	if got.Bytes != blockWords*8 || got.Of != 3*blockWords*8 || got.Passes != 0 || got.Wrong != 0 {
		t.Errorf("%+v", got)
	}
}

// TestB46_AFlippedBitIsFound by each of the patterns, with where and what.
func TestB46_AFlippedBitIsFound(t *testing.T) {
	for _, p := range patterns {
		words := make([]uint64, 1024)
		for i := range words {
			words[i] = p.at(uint64(5000+i), 7)
		}
		if n, detail := checkWords(words, 5000, 7, p.name, p.at); n != 0 || detail != "" {
			t.Errorf("%s: %d wrong in good memory: %s", p.name, n, detail)
		}
		words[700] ^= 1 << 17
		if n, detail := checkWords(words, 5000, 7, p.name, p.at); n != 1 || !strings.Contains(detail, "offset 45600") {
			t.Errorf("%s: %d wrong: %s", p.name, n, detail)
		}
	}
}

// TestB46_TwoAddressesOfOnePlaceAreFound: a broken address line makes writing one place change another.
func TestB46_TwoAddressesOfOnePlaceAreFound(t *testing.T) {
	const n = 4096
	for _, name := range []string{"its own address", "noise"} {
		for _, p := range patterns {
			if p.name != name {
				continue
			}
			words := make([]uint64, n)
			for i := range n {
				words[i&^256] = p.at(uint64(i), 1) // line 8 is stuck at 0
			}
			for i := range n {
				words[i] = words[i&^256]
			}
			if wrong, _ := checkWords(words, 0, 1, p.name, p.at); wrong != n/2 {
				t.Errorf("%s: %d of %d wrong", name, wrong, n/2)
			}
		}
	}
}
