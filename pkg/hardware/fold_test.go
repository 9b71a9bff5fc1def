package hardware

import "testing"

func TestFoldCPUModel(t *testing.T) {
	for in, want := range map[string]string{
		"Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz":            "Xeon E5-2650 v4",
		"Intel(R) Xeon(R) CPU           X5670  @ 2.93GHz     ": "Xeon X5670",
		"Intel(R) Xeon(R) CPU E5-2650 0 @ 2.00GHz":             "Xeon E5-2650",
		"Intel(R) Xeon(R) Silver 4208 CPU @ 2.10GHz":           "Xeon Silver 4208",
		"AMD EPYC 7302P 16-Core Processor":                     "EPYC 7302P",
		"AMD EPYC 7302P 16-Core Processor                ":     "EPYC 7302P",
		"AMD Ryzen 5 1600 Six-Core Processor":                  "Ryzen 5 1600",
		"Six-Core AMD Opteron(tm) Processor 2427":              "Opteron 2427",
		"12th Gen Intel(R) Core(TM) i7-1270P":                  "Core i7-1270P",
		"Neoverse-N1":                                          "Neoverse-N1",
		"Genuine Intel CPU":                                    "Genuine Intel CPU",
		"":                                                     "",
		"@ 2.4GHz":                                             "@ 2.4GHz",
		"Xeon E5-2650 v4":                                      "Xeon E5-2650 v4",
		"Intel Xeon 6 6780E":                                   "Xeon 6 6780E",
	} {
		got := FoldCPUModel(in)
		if got != want {
			t.Errorf("FoldCPUModel(%q) = %q; want %q", in, got, want)
		}
		if again := FoldCPUModel(got); again != got {
			t.Errorf("folding %q again gives %q", got, again)
		}
	}
}

func TestNominalSize(t *testing.T) {
	for in, want := range map[uint64]uint64{
		480103981056:   480 * gigabyte,
		1920383410176:  1920 * gigabyte,
		4000787030016:  4000 * gigabyte,
		500107862016:   500 * gigabyte,
		512110190592:   512 * gigabyte,
		1000204886016:  1000 * gigabyte,
		1024209543168:  1024 * gigabyte,
		146815737856:   146 * gigabyte,
		7681501126656:  7680 * gigabyte,
		15362991415296: 15360 * gigabyte,
		10737418240:    11 * gigabyte,
		0:              0,
		1:              megabyte,
		2748779069440:  2750 * gigabyte,
	} {
		if got := NominalSize(in); got != want {
			t.Errorf("NominalSize(%d) = %d; want %d", in, got, want)
		}
	}
}

func TestNominalSizeOfNominalSizeIsItself(t *testing.T) {
	for size := uint64(1000); size < 200e12; size += size/977 + 1 {
		once := NominalSize(size)
		if twice := NominalSize(once); twice != once {
			t.Fatalf("NominalSize(%d) = %d, again %d", size, once, twice)
		}
	}
}

func TestInstalledFromKernel(t *testing.T) {
	const mib = 1 << 20
	for in, want := range map[uint64]uint64{
		32076 * mib:     32 * gibibyte,
		386700 * mib:    384 * gibibyte,
		7950 * mib:      8 * gibibyte,
		1980 * mib:      2 * gibibyte,
		64 * 1024 * mib: 64 * gibibyte,
	} {
		if got := installedFromKernel(in); got != want {
			t.Errorf("installedFromKernel(%d MiB) = %d MiB; want %d MiB", in/mib, got/mib, want/mib)
		}
	}
}
