package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// usageError is a wrong command line.
type usageError struct {
	command string
	message string
}

func (e *usageError) Error() string { return e.message }

func usage(c *cobra.Command, format string, args ...any) error {
	return &usageError{command: c.CommandPath(), message: fmt.Sprintf(format, args...)}
}

// misuse is a fault in what was typed or set: it is told in full, as a wrong command
// line.
type misuse struct{ cause error }

func (m *misuse) Error() string { return m.cause.Error() }
func (m *misuse) Unwrap() error { return m.cause }

func asMisuse(err error) error {
	if err == nil {
		return nil
	}
	return &misuse{err}
}

// exactly demands that many arguments and names them in the refusal.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usage(c, "%s takes no arguments, only flags; %q is one too many", c.CommandPath(), args[0])
		}
		return usage(c, "%s takes %s, not %d arguments", c.CommandPath(), strings.Join(names, " and "), len(args))
	}
}

// report tells a person what went wrong and what to do next, and returns the exit
// status. With -o json the answer of the API goes to standard error as it came.
func (p *program) report(err error) int {
	var wrong *usageError
	var problem *client.Problem
	switch {
	case err == nil:
		return done
	case errors.As(err, &wrong):
		fmt.Fprintf(p.err, "steelyard: %s\nSee: %s --help\n", clean(wrong.message), wrong.command)
		return misused
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(p.err, "steelyard: interrupted")
		return failed
	case errors.As(err, &problem) && p.json() && len(problem.Raw) > 0:
		p.raw(p.err, problem.Raw)
		return failed
	}
	p.explain(err)
	var typed *misuse
	if errors.As(err, &typed) {
		return misused
	}
	return failed
}

func (p *program) explain(err error) {
	f := fault.From(err)
	var problem *client.Problem
	if errors.As(err, &problem) {
		f = problem.Fault()
	}
	fmt.Fprintf(p.err, "steelyard: %s\n", clean(headline(f)))
	for _, field := range f.Fields {
		fmt.Fprintf(p.err, "  %s %s\n", clean(asFlag(field.Name)), clean(field.Message))
	}
	for _, hint := range hints(err) {
		fmt.Fprintln(p.err, "  "+hint)
	}
}

// headline is the message, unless it repeats the first field, which follows anyway.
func headline(f *fault.Fault) string {
	if len(f.Fields) > 0 && strings.HasPrefix(f.Message, f.Fields[0].Name+" "+f.Fields[0].Message) {
		return "this is not valid"
	}
	return f.Message
}

// asFlag turns "body.installtimeout_linux" into the flag that sets it.
func asFlag(location string) string {
	area, name, ok := strings.Cut(location, ".")
	if !ok || area != "body" && area != "query" {
		return location
	}
	return "--" + strings.ReplaceAll(name, "_", "-")
}

// hints says what to try next.
func hints(err error) []string {
	var p *client.Problem
	if !errors.As(err, &p) {
		return nil
	}
	var out []string
	switch p.Kind() {
	case "login_required":
		out = append(out, "Log in with `steelyard login`, or set STEELYARD_TOKEN.")
	case "denied":
		out = append(out, "Your role does not allow this; `steelyard whoami` shows who you are.")
	case "conflict", "precondition_required":
		out = append(out, "Somebody changed it meanwhile. Look at it again, then repeat your change.")
	case "not_found":
		out = append(out, "The list command of its kind shows what there is.")
	case "unavailable", "too_many_requests":
		out = append(out, fmt.Sprintf("Try again in %s.", max(p.RetryAfter, 5e9)))
	case "internal":
		out = append(out, "This is a mistake of the controller, not yours.")
	}
	if p.Request != "" && p.Status >= 500 {
		out = append(out, "Its log tells more about request "+clean(p.Request)+".")
	}
	return out
}
