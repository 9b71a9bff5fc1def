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
// stream, in a connection that became a WebSocket all of it. What counts is the quarter-hour of that end.
func www(line []byte) (user []byte, q book.Quarter, t book.Traffic, ok bool) {
	var field [4][]byte
	for i := range field {
		field[i], line, ok = bytes.Cut(line, []byte{' '})
		if len(field[i]) == 0 || ok == (i == len(field)-1) { // the last one, and no other, is without a space behind it
			return nil, 0, t, false
		}
	}
	seconds, fraction, _ := bytes.Cut(field[1], []byte{'.'})
	at, ok1 := digits(seconds)
	in, ok2 := digits(field[2])
	out, ok3 := digits(field[3])
	if !ok1 || !ok2 || !ok3 || len(fraction) != 3 {
		return nil, 0, t, false
	}
	return field[0], book.Quarter(at / 900), book.Traffic{In: in, Out: out}, true
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
