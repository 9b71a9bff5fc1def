package meter

import (
	"bytes"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// www reads a line of the log of traffic as agent/hosting/site has nginx write it:
//
//	USER MSEC REQUEST_LENGTH BYTES_SENT
//
// nginx writes a line when a request has ended, with everything that it sent and received for it: request line, headers and body, in HTTP/2 the frames of the
// stream. Two things it does not count as received: a body that nothing takes (of a POST to a file), and what comes over a connection that became a WebSocket, of which everything
// that was sent is counted. What counts is the quarter-hour of that end.
func www(line []byte) (user []byte, q book.Quarter, t book.Traffic, ok bool) {
	n := bytes.IndexByte(line, ' ')
	if n <= 0 {
		return nil, 0, t, false
	}
	user, line = line[:n], line[n+1:]
	at, line, ok1 := number(line, '.')
	_, rest, ok2 := number(line, ' ')
	if !ok1 || !ok2 || len(line)-len(rest) != len("000 ") {
		return nil, 0, t, false
	}
	in, rest, ok1 := number(rest, ' ')
	out, ok2 := digits(rest)
	if !ok1 || !ok2 {
		return nil, 0, t, false
	}
	return user, book.Quarter(at / 900), book.Traffic{In: in, Out: out}, true
}

// number is the one before an ending, and what is behind that.
func number(b []byte, ending byte) (v uint64, rest []byte, ok bool) {
	for i, c := range b {
		switch {
		case c == ending:
			return v, b[i+1:], i > 0 && i <= 18
		case c < '0' || c > '9':
			return 0, nil, false
		}
		v = v*10 + uint64(c-'0')
	}
	return 0, nil, false
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
