// Package sse reads a stream of server-sent events (WHATWG HTML, section 9.2), as far as
// Steelyard's own stream uses it: id, event and data.
package sse

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Event is one message of the stream.
type Event struct {
	ID   string // a revision; ask for what follows with it
	Name string
	Data []byte
}

// MaxLine bounds one line of the stream, in bytes.
const MaxLine = 16 << 20

// Ended says that the stream ended, and how; io.EOF is an orderly end.
type Ended struct{ Err error }

// Error is how it ended.
func (e Ended) Error() string { return "the stream of events ended: " + e.Err.Error() }

// Unwrap gives the cause.
func (e Ended) Unwrap() error { return e.Err }

// Read calls got for each event with data until the stream ends, which it reports as
// [Ended], or got reports an error, which it returns. alive is called for every
// line, comments too. from follows the id of the last whole event, whatever it holds.
func Read(r io.Reader, alive func(), from *string, got func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), MaxLine)
	var e Event
	for lines.Scan() {
		alive()
		if line := lines.Text(); line != "" {
			e.take(line)
			continue
		}
		done := e
		e = Event{}
		if done.ID != "" {
			*from = done.ID
		}
		if len(done.Data) == 0 {
			continue
		}
		if err := got(done); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return Ended{err}
	}
	return Ended{io.EOF}
}

func (e *Event) take(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "id":
		if _, err := strconv.ParseInt(value, 10, 64); err == nil {
			e.ID = value
		}
	case "event":
		e.Name = value
	case "data":
		if len(e.Data) > 0 {
			e.Data = append(e.Data, '\n')
		}
		e.Data = append(e.Data, value...)
	}
}
