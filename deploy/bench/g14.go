package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// G14: from an order to its active service on a virtual machine with a management controller, a switch port and netboot, against
// what no controller can spare the machine. The machine, its rack and the controller are those of the tests (deploy/e2e/metal), which
// measure it.

func measureInstall(ctx context.Context, b *bench) error {
	out := filepath.Join(b.dir, "g14.json")
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "bench", "-count=1", "-timeout", "15m", "-run", "^TestG14OrderToActive$", "./deploy/e2e/metal")
	cmd.Env = append(os.Environ(), "CI=true", "CGO_ENABLED=0", "STEELYARD_BENCH_OUT="+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("measure an installation: %w: %s", err, text[max(0, len(text)-3000):])
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	var took struct{ Ours, Own, Floor []float64 }
	if err := json.Unmarshal(raw, &took); err != nil {
		return err
	}
	p := pairs{a: took.Ours, b: took.Floor}
	b.add(
		Row{Goal: "G14", Name: "order to active, against a kernel, a copy of the image and the system's start", Ours: median(p.a), Limit: num(median(p.b)), Unit: "s"}.ratioAtMost(p.ratio(), 1.3),
		Row{Goal: "G14", Name: "of it neither firmware, kernels nor disk", Ours: median(took.Own), Unit: "s"}.oursAtMost(1),
	)
	return nil
}
