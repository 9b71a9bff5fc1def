// Command steelyard-agent is the agent of a Steelyard fleet: it reports what its server is and
// does what the controller tells it to.
//
//	steelyard-agent run        keep a session with a controller
//	steelyard-agent inventory  print what this machine is
//	steelyard-agent simulate   run many simulated agents in one process
//	steelyard-agent version    print the version
//
// Started by the name "shell" it is the limited shell of hosted accounts (package agent/hosting/limited).
//
// Every flag has a twin in the environment: --join-file is STEELYARD_JOIN_FILE. Exit status: 0 done,
// 1 refused or failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/steelyard/steelyard/agent/hosting/limited"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/version"
)

// errUsage says that the command line is wrong and that it was told.
var errUsage = errors.New("wrong usage")

type command struct {
	name, does string
	run        func(ctx context.Context, args []string, out, errs io.Writer) error
}

func commands() []command {
	return []command{
		{"run", "keep a session with a controller and do what it says", runAgent},
		{"inventory", "print what this machine is", printInventory},
		{"simulate", "run many simulated agents in one process", runSimulation},
		{"version", "print the version", func(_ context.Context, _ []string, out, _ io.Writer) error {
			_, err := fmt.Fprintln(out, version.Version)
			return err
		}},
	}
}

func main() {
	if limited.Called() {
		os.Exit(limited.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Main runs one command line and returns the exit status.
func Main(ctx context.Context, args []string, out, errs io.Writer) int {
	err := dispatch(ctx, args, out, errs)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, flag.ErrHelp):
		return 0
	case fault.Is(err, fault.KindInvalid):
		_, _ = fmt.Fprintln(errs, "steelyard-agent:", err)
		return 2
	default:
		_, _ = fmt.Fprintln(errs, "steelyard-agent:", err)
		return 1
	}
}

func dispatch(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, args[1:], out, errs)
			}
		}
	}
	if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
		usage(out)
		return nil
	}
	if len(args) > 0 {
		_, _ = fmt.Fprintf(errs, "steelyard-agent: there is no command %q\n\n", args[0])
	}
	usage(errs)
	return errUsage
}

func usage(w io.Writer) {
	_, _ = fmt.Fprint(w, "Usage: steelyard-agent COMMAND [flags]\n\n")
	for _, c := range commands() {
		_, _ = fmt.Fprintf(w, "  %-10s %s\n", c.name, c.does)
	}
	_, _ = fmt.Fprint(w, "\nsteelyard-agent COMMAND --help lists the flags of a command.\n")
}
