// Package logging makes the one kind of logger that both binaries use: JSON
// for machines, text on a terminal, with fixed attribute names so that a line
// can be found again by what it is about. It never logs a secret: values of
// type [Secret] print as "[secret]".
package logging

import (
	"io"
	"log/slog"
	"os"
)

// Attribute names. A line about a server carries KeyServer, and so on.
const (
	KeyServer    = "server"
	KeyOrder     = "order"
	KeyService   = "service"
	KeyOperation = "operation"
	KeyCommand   = "command"
	KeyTask      = "task"
	KeyReplica   = "replica"
	KeyRequest   = "request"
	KeyRemote    = "remote"
	KeyError     = "error"
)

// New logs to w from level up; text if w is a terminal, else JSON.
func New(w io.Writer, level slog.Level) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(w, opt))
		}
	}
	return slog.New(slog.NewJSONHandler(w, opt))
}

// Secret is a string that logs and prints without its value (rule X9).
type Secret string

// LogValue hides the value from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String hides the value from fmt.
func (Secret) String() string { return "[secret]" }
