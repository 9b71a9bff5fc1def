package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/settings"
)

func addSure(c *cobra.Command, sure *bool) {
	c.Flags().BoolVarP(sure, "yes", "y", false, "do not ask")
}

// interactive reports whether a person sits at both ends.
func (p *program) interactive() bool {
	in, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	out, ok := p.err.(*os.File)
	return ok && term.IsTerminal(int(out.Fd()))
}

// confirm asks a person before something that cannot be taken back. A program
// says --yes.
func (p *program) confirm(c *cobra.Command, sure bool, question string) error {
	if sure {
		return nil
	}
	if !p.interactive() {
		return usage(c, "%s is not done without a person's yes; add --yes", c.CommandPath())
	}
	fmt.Fprintf(p.err, "%s [y/N] ", clean(question))
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && err != io.EOF { //nolint:errorlint // ReadString returns it as it is
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fault.Refused("nothing was done")
	}
	return nil
}

// password reads one from a file, else from the terminal without echo, else from
// the first line of standard input. It is never an argument (rule X9).
func (p *program) password(file, prompt string, twice bool) (logging.Secret, error) {
	if file != "" {
		return settings.Secret(file)
	}
	if !p.interactive() {
		line, err := p.line()
		if line == "" {
			return "", fault.Invalid("there is no password: give --password-file, or write it into standard input: %w", noInput(err))
		}
		return logging.Secret(line), nil
	}
	first, err := p.secretLine(prompt)
	if err != nil || !twice {
		return first, err
	}
	second, err := p.secretLine("Again: ")
	if err == nil && first != second {
		err = fault.Invalid("the two passwords differ")
	}
	return first, err
}

// line is the next one of standard input, of at most 4 KiB.
func (p *program) line() (string, error) {
	if p.lines == nil {
		p.lines = bufio.NewReaderSize(io.LimitReader(p.in, 64<<10), 4096)
	}
	line, err := p.lines.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

func noInput(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func (p *program) secretLine(prompt string) (logging.Secret, error) {
	fmt.Fprint(p.err, prompt)
	in, _ := p.in.(*os.File) // interactive looked
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(p.err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return logging.Secret(text), nil
}
