// Command ramenv builds the RAM environment, the small system that servers are netbooted into:
//
//	go run ./deploy/ramenv build -o bin/ramenv
//
// It needs a Debian machine with the compiler, apt-get, dpkg-deb and depmod, and no special rights: Debian's kernel is
// downloaded and unpacked, never installed. docs/ramenv.md tells the rest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/steelyard/steelyard/deploy/ramenv/assemble"
	"github.com/steelyard/steelyard/pkg/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || os.Args[1] != "build" {
		fmt.Fprintln(os.Stderr, "Usage: ramenv build [-o DIR] [-cache DIR] [-version VERSION]")
		os.Exit(2)
	}
	fs := flag.NewFlagSet("build", flag.ExitOnError)
	out := fs.String("o", "bin/ramenv", "`DIR` of vmlinuz, initrd and manifest.json")
	cache := fs.String("cache", ".cache/kernel", "`DIR` where kernels are kept")
	name := fs.String("version", version.Version, "`VERSION` of the agent")
	_ = fs.Parse(os.Args[2:])
	_, err := assemble.Build(ctx, assemble.Options{Out: *out, Cache: *cache, Version: *name, Tell: func(format string, args ...any) {
		fmt.Printf(format+"\n", args...)
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "ramenv:", err)
		os.Exit(1)
	}
}
