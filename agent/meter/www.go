package meter

import (
	"bytes"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// www reads a line of nginx's log as agent/hosting/site has it written. Everything that a visitor chooses stands before the figures, so it is read from its end:
//
//	… "USER AGENT" MSEC "HOST" REQUEST_LENGTH BYTES_SENT "COMPLETION"
//
// nginx writes a line when a request has ended, with everything that it sent and received for it: request line, headers and body, in HTTP/2 the frames of the
// stream, in a connection that became a WebSocket all of it. What counts is the quarter-hour of that end.
func www(line []byte) (q book.Quarter, t book.Traffic, ok bool) {
	rest, ok := quoted(line)
	if !ok {
		return 0, t, false
	}
	if t.Out, rest, ok = number(rest); !ok {
		return 0, t, false
	}
	if t.In, rest, ok = number(rest); !ok {
		return 0, t, false
	}
	if rest, ok = quoted(rest); !ok {
		return 0, t, false
	}
	millis := bytes.LastIndexByte(rest, ' ') + 1
	seconds, fraction, ok := bytes.Cut(rest[millis:], []byte{'.'})
	if !ok || len(fraction) != 3 || millis < 2 || rest[millis-2] != '"' {
		return 0, t, false
	}
	at, ok := digits(seconds)
	return book.Quarter(at / 900), t, ok
}

// quoted takes the last field, in quotes, and the space before it from the end of a line. nginx writes a quote inside of one as \x22.
func quoted(b []byte) (rest []byte, ok bool) {
	n := len(b) - 1
	if n < 1 || b[n] != '"' {
		return nil, false
	}
	n = bytes.LastIndexByte(b[:n], '"')
	if n < 1 || b[n-1] != ' ' {
		return nil, false
	}
	return b[:n-1], true
}

// number takes the last field, a number, and the space before it from the end of a line.
func number(b []byte) (v uint64, rest []byte, ok bool) {
	n := bytes.LastIndexByte(b, ' ')
	if n < 0 {
		return 0, nil, false
	}
	v, ok = digits(b[n+1:])
	return v, b[:n], ok
}

// digits is a number of at most 18 digits: more bytes than that no line has.
func digits(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
