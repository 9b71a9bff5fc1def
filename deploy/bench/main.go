package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Bounds of one run.
const (
	runTime  = 60 * time.Minute
	goalTime = 25 * time.Minute
)

// goal is one line of the table of goals.
type goal struct {
	name, what string
	measure    func(ctx context.Context, b *bench) error
}

var goals = []goal{
	{"G1", "bytes per idle agent", measureIdle},
	{"G2", "liveness", measureLiveness},
	{"G4", "reports of usage", measureReports},
	{"G5", "match latency", measureMatch},
	{"G6", "allocations per second", measureAllocations},
	{"G8", "restart", measureRestart},
	{"G9", "API lists", measureLists},
	{"G10", "scrape of many series", measureSeries},
	{"G11", "agent", measureAgent},
	{"RAM", "RAM environment", measureRAM},
	{"G12", "erase", measureErase},
	{"G13", "image write", measureImage},
	{"G14", "order to active", measureInstall},
	{"HOSTING", "hosting node", measureHosting},
	{"METER", "counting traffic and storage", measureMeter},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		os.Exit(beChild(os.Args[2], os.Args[3:]))
	}
	os.Exit(run())
}

// bench is one run.
type bench struct {
	root    string // of the repository
	dir     string // for everything temporary
	servers int    // of the large fleet
	rows    []Row
	notes   []string
	filled  string // directory of the large fleet's state, made at first use
}

func run() int {
	servers := flag.Int("n", 100_000, "servers of the large fleet (G8, G9); smaller ones are for trying out")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process to `FILE`, to see where a goal is lost")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	b := &bench{servers: *servers, rows: []Row{}}
	if err := b.open(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer os.RemoveAll(b.dir)
	stopProfile, err := startProfile(*profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	before := load()
	failed := b.measure(ctx, flag.Args())
	stopProfile()
	fmt.Println(machine(before, load()))
	table(os.Stdout, b.rows)
	for _, n := range b.notes {
		fmt.Println("note:", n)
	}
	if err := b.write(); err != nil {
		failed = append(failed, err)
	}
	for _, err := range failed {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return min(len(failed), 1)
}

// startProfile writes a profile until stop, if there is a path for it.
func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

func (b *bench) open() (err error) {
	if b.root, err = findRoot(); err != nil {
		return err
	}
	if err := os.Chdir(b.root); err != nil { // programs are built as a part of the product's module
		return err
	}
	b.dir, err = os.MkdirTemp("", "steelyard-bench-")
	return err
}

// findRoot walks up to the module of the product.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/steelyard/steelyard\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run it inside the repository")
		}
	}
}

// measure runs the goals that were asked for, all if none was.
func (b *bench) measure(ctx context.Context, wanted []string) (failed []error) {
	for _, w := range wanted {
		if !slices.ContainsFunc(goals, func(g goal) bool { return strings.EqualFold(g.name, w) }) {
			failed = append(failed, fmt.Errorf("there is no goal %q here", w))
		}
	}
	for _, g := range goals {
		asked := func(w string) bool { return strings.EqualFold(g.name, w) }
		if len(wanted) > 0 && !slices.ContainsFunc(wanted, asked) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%s %s …\n", g.name, g.what)
		ctx, cancel := context.WithTimeout(ctx, goalTime)
		err := g.measure(ctx, b)
		cancel()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", g.name, err))
		}
		fmt.Fprintf(os.Stderr, "%s took %v\n", g.name, time.Since(start).Round(time.Second))
	}
	return failed
}

func (b *bench) add(rows ...Row) { b.rows = append(b.rows, rows...) }

func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

func (b *bench) write() error {
	text, err := json.MarshalIndent(b.rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.root, "bench.json"), append(text, '\n'), 0o644)
}
