package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
)

// HOSTING: a whole hosting node with 5,000 accounts and running daemons. The node and the changes are those of the walk (deploy/e2e/hosting), which measures
// them in a world of its own.

func measureHosting(ctx context.Context, b *bench) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "bench", "-count=1", "-v", "-timeout", "30m", "-run", "^TestCostOfANode$", "./deploy/e2e/hosting")
	cmd.Env = append(os.Environ(), "CI=true", "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("measure a hosting node: %w: %s", err, said[max(0, len(said)-3000):])
	}
	_, rest, _ := strings.Cut(string(said), "COST ")
	line, _, _ := strings.Cut(rest, "\n")
	type used struct{ Agent, Daemons, Wall float64 }
	var c struct {
		Accounts     int
		First, Again used
		Few, Many    map[string]float64
		Daemons      map[string]float64
		Made         float64
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		return fmt.Errorf("what the node cost is %q: %w", line, err)
	}
	row := func(name string, seconds, goal float64) {
		b.add(Row{Goal: "HOSTING", Name: name, Ours: seconds, Unit: "s"}.oursAtMost(goal))
	}
	row(fmt.Sprintf("look at %d accounts, none changed, CPU of the agent", c.Accounts), c.Again.Agent, 2)
	row("the same after a start of the agent", c.First.Agent, 2)
	names := make([]string, 0, len(c.Many))
	for name := range c.Many {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		row(fmt.Sprintf("one change among %d accounts until it holds: %s", c.Accounts, name), c.Many[name], 1)
		b.note("HOSTING: %s: %.3f s among 500 accounts, %.3f s among %d, of it %.2f s CPU of daemons", name, c.Few[name], c.Many[name], c.Accounts, c.Daemons[name])
	}
	b.note("HOSTING: %d accounts made in %.0f s; the looks cost daemons %.2f and %.2f s", c.Accounts, c.Made, c.First.Daemons, c.Again.Daemons)
	return nil
}
