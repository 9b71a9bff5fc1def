package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// list is a flag that may be given several times, or once with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// flags makes the flag set of a command.
func flags(name string, errs io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.Usage = func() {
		_, _ = fmt.Fprintf(errs, "Usage: steelyard-agent %s [flags]\n\nEach flag has a twin in the environment, for example %s.\n\n", name, twin("join-file"))
		fs.PrintDefaults()
	}
	return fs
}

// twin is the environment's name of a flag.
func twin(name string) string {
	return "STEELYARD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parse reads the environment and then the command line, which wins. Anything but flags is
// wrong usage.
func parse(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // told by the flag set
	case fs.NArg() > 0:
		_, _ = fmt.Fprintf(fs.Output(), "steelyard-agent %s takes no arguments, only flags: %q\n", fs.Name(), fs.Arg(0))
		return errUsage
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	fs.VisitAll(func(f *flag.Flag) {
		value, ok := os.LookupEnv(twin(f.Name))
		if !ok || given[f.Name] || err != nil {
			return
		}
		if bad := fs.Set(f.Name, value); bad != nil {
			err = fault.Invalid("%s: %w", twin(f.Name), bad)
		}
	})
	return err
}

// wire are the flags that every agent needs to reach its controllers.
type wire struct {
	controllers list
	join        string
	joinFile    string
	level       slog.Level
}

func (w *wire) add(fs *flag.FlagSet) {
	fs.Var(&w.controllers, "controller", "`HOST:PORT` of a controller; several are tried in turn")
	fs.StringVar(&w.join, "join", "", "join `TOKEN`; better in a file, because arguments are visible to other users")
	fs.StringVar(&w.joinFile, "join-file", "", "`FILE` that holds the join token")
	fs.TextVar(&w.level, "log-level", slog.LevelInfo, "`LEVEL` of the log: debug, info, warn, error")
}

// token reads the join token. A missing file is only an error when there is no identity yet, which
// the link finds out, so that the file may be deleted after the enrolment.
func (w *wire) token() (string, error) {
	if w.joinFile == "" {
		return w.join, nil
	}
	if w.join != "" {
		return "", fault.Invalid("give --join or --join-file, not both")
	}
	text, err := os.ReadFile(w.joinFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the join token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (w *wire) logger(errs io.Writer) *slog.Logger { return logging.New(errs, w.level) }
