// Package id makes the names of records: a prefix that tells what the record
// is, and 80 bits that sort by time of creation and do not collide, for example
// "srv-06c8zq3k8h2m4x9e". The text is Crockford base 32 in lower case, so it can
// be read over the telephone.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New makes a name: prefix, "-", 48 bits of Unix milliseconds and 32 random bits.
func New(prefix string) string { return At(prefix, time.Now()) }

// At is New for a given time.
func At(prefix string, t time.Time) string {
	var b [10]byte
	ms := t.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the process instead
	return prefix + "-" + encoding.EncodeToString(b[:])
}

// Valid reports whether s is a name that New could have made for prefix.
func Valid(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"-")
	if !ok || len(rest) != 16 {
		return false
	}
	_, err := encoding.DecodeString(rest)
	return err == nil
}

// Secret makes 32 random bytes as text, for tokens and passwords.
func Secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return encoding.EncodeToString(b[:])
}
