package hardware

import (
	"math/bits"
	"strings"
)

// noise are the words in a processor's own name that tell nothing about which
// processor it is.
var noise = map[string]bool{
	"cpu": true, "processor": true, "intel": true, "amd": true, "genuine": true,
	"gen": true, "0": true,
	"dual-core": true, "quad-core": true, "six-core": true, "eight-core": true, "twelve-core": true,
}

var trademarks = strings.NewReplacer(
	"(R)", " ", "(r)", " ", "(TM)", " ", "(tm)", " ", "(Tm)", " ", "®", " ", "™", " ",
)

// FoldCPUModel turns the name that a processor gives itself into the one that
// people order by: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz" is "Xeon E5-2650
// v4", "AMD EPYC 7302P 16-Core Processor" is "EPYC 7302P". Folding twice changes
// nothing; a name made of noise alone is kept.
func FoldCPUModel(name string) string {
	plain := strings.Join(strings.Fields(trademarks.Replace(name)), " ")
	short, _, _ := strings.Cut(plain, "@")
	words := strings.Fields(short)
	kept := words[:0]
	for _, w := range words {
		if !isNoise(w) {
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return plain
	}
	return strings.Join(kept, " ")
}

func isNoise(word string) bool {
	w := strings.ToLower(word)
	if noise[w] {
		return true
	}
	if n, ok := strings.CutSuffix(w, "-core"); ok && digits(n) { // "16-Core"
		return true
	}
	for _, suffix := range []string{"st", "nd", "rd", "th"} { // "12th Gen"
		if n, ok := strings.CutSuffix(w, suffix); ok && digits(n) {
			return true
		}
	}
	return false
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// gigabyte is the decimal one, in which disks are sold.
const (
	megabyte = 1_000_000
	gigabyte = 1_000 * megabyte
	gibibyte = 1 << 30
)

// nominalGB are sizes printed on disks, in GB, sorted. Others are rounded.
var nominalGB = []uint64{
	8, 16, 32, 36, 60, 64, 73, 80, 100, 120, 128, 146, 150, 160, 180, 200, 240, 250, 256, 300, 320,
	375, 400, 450, 480, 500, 512, 600, 640, 750, 800, 900, 960, 1000, 1024, 1200, 1500, 1600, 1800,
	1920, 2000, 2048, 2400, 3000, 3200, 3840, 4000, 5000, 6000, 6400, 7680, 8000, 10000, 12000,
	12800, 14000, 15360, 16000, 18000, 20000, 22000, 24000, 26000, 28000, 30000, 30720, 32000,
	61440, 122880,
}

// NominalSize is the size under which a disk of that many bytes is sold:
// 480103981056 is 480 GB. Sizes that no vendor prints are rounded to three
// figures. Applying it twice changes nothing.
func NominalSize(size uint64) uint64 {
	if near, ok := nearNominal(size); ok {
		return near
	}
	rounded := roundSize(size)
	if near, ok := nearNominal(rounded); ok {
		return near
	}
	return rounded
}

// nearNominal finds a printed size within 0.6 %: a "146 GB" disk has 146.8.
func nearNominal(size uint64) (uint64, bool) {
	for _, gb := range nominalGB {
		n := gb * gigabyte
		if diff := max(n, size) - min(n, size); diff <= n/1000*6 {
			return n, true
		}
	}
	return 0, false
}

func roundSize(size uint64) uint64 {
	switch {
	case size < gigabyte:
		return round(size, megabyte)
	case size < 1000*gigabyte:
		return round(size, gigabyte)
	default:
		return round(size, 10*gigabyte)
	}
}

// round goes to the nearest multiple of step, never to zero from something.
func round(n, step uint64) uint64 {
	r := n / step * step
	if n-r >= step/2 || r == 0 && n > 0 {
		r += step
	}
	return r
}

// installedFromKernel estimates installed memory from what the kernel has left
// of it: the next multiple of an eighth of the largest power of two below.
func installedFromKernel(kernel uint64) uint64 {
	if kernel < 1<<20 {
		return kernel
	}
	step := uint64(1) << (bits.Len64(kernel) - 1) / 8
	return (kernel + step - 1) / step * step
}
