// Package line makes one short printable line of text that came from outside.
package line

import "strings"

// Max is the longest line in bytes.
const Max = 200

// Clean drops control characters and surrounding space, and cuts at Max bytes.
func Clean(s string) string {
	if len(s) > 4*Max {
		s = s[:4*Max]
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd {
			return -1
		}
		return r
	}, s))
	if len(s) > Max {
		s = strings.ToValidUTF8(s[:Max], "")
	}
	return s
}
