package meter

import (
	"bytes"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// ftp reads a line of ProFTPD's log as agent/hosting/ftp has it written; its path may hold anything, so it is read from its beginning:
//
//	EPOCH LOGIN COMMAND STATUS BYTES RECEIVED SENT …
//
// Lines without a transfer have no traffic: the session's own totals are not told apart by session.
func ftp(line []byte) (user []byte, q book.Quarter, t book.Traffic, ok bool) {
	var field [7][]byte
	for i := range field {
		var found bool
		if field[i], line, found = bytes.Cut(line, []byte{' '}); !found {
			return nil, 0, t, false
		}
	}
	at, ok := digits(field[0])
	if !ok {
		return nil, 0, t, false
	}
	if n, ok := digits(field[4]); ok {
		switch string(field[2]) {
		case "RETR":
			t.Out = n
		case "STOR", "STOU", "APPE":
			t.In = n
		}
	} else if string(field[4]) != "-" {
		return nil, 0, t, false
	}
	user, _, _ = bytes.Cut(field[1], []byte{'_'})
	return user, book.Quarter(at / 900), t, true
}
