package access

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 with what every authenticator understands; HMAC does not need collision resistance
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Codes of a second factor: RFC 6238 with the values that every authenticator understands.
const (
	codeStep   = 30 * time.Second
	codeDigits = 6
	CodeSecret = 20 // bytes: RFC 4226, section 4, R6 recommends 160 bits
)

// Second factors that fail are slowed down, and never shut out for good: after freeFailures in a row each further
// one costs a wait that doubles up to longestWait. Only who knows the password can cause it, and a recovery code, which
// nobody can guess, gets in at any time.
const (
	freeFailures = 4
	firstWait    = 30 * time.Second
	longestWait  = 15 * time.Minute
)

// RecoveryCodes is how many a user gets, each good once.
const RecoveryCodes = 10

// SecondFactor is what a user shows beside his password. Its id is the user's.
type SecondFactor struct {
	Secret    Sealed    `json:"secret"`              // CodeSecret bytes
	Confirmed time.Time `json:"confirmed,omitzero"`  // zero: shown, and not in use yet
	Recovery  []string  `json:"recovery,omitempty"`  // digests of those that are left
	LastStep  int64     `json:"last_step,omitempty"` // of the last code that was taken: it is not taken again
	Failures  int       `json:"failures,omitempty"`  // in a row
	NotBefore time.Time `json:"not_before,omitzero"` // no code is looked at
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// code of a time step (RFC 4226, section 5.3).
func code(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%0*d", codeDigits, binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// CodeAt is the code of a moment.
func CodeAt(secret []byte, at time.Time) string {
	return code(secret, at.Unix()/int64(codeStep/time.Second))
}

// stepOf finds the time step that text is the code of: the present one or a neighbour (RFC 6238, section 5.2), later
// than after.
func stepOf(secret []byte, text string, now time.Time, after int64) (step int64, ok bool) {
	text = strings.ReplaceAll(strings.TrimSpace(text), " ", "")
	present := now.Unix() / int64(codeStep/time.Second)
	for s := present - 1; s <= present+1; s++ {
		same := subtle.ConstantTimeCompare([]byte(code(secret, s)), []byte(text)) == 1
		if same && s > after && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// RecoveryDigest is what is kept of a recovery code, however it is typed.
func RecoveryDigest(text string) string {
	return Digest(strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(text)))
}

// Try takes a code or a recovery code. The record that it returns is to be kept in any case: it knows what was used,
// and how often it failed. wait is how long no code is looked at.
func (f SecondFactor) Try(secret []byte, text string, now time.Time) (after SecondFactor, ok bool, wait time.Duration) {
	digest := RecoveryDigest(text)
	for i, kept := range f.Recovery {
		if SameDigest(kept, digest) {
			f.Recovery = append(append([]string{}, f.Recovery[:i]...), f.Recovery[i+1:]...)
			f.Failures, f.NotBefore = 0, time.Time{}
			return f, true, 0
		}
	}
	if wait := f.NotBefore.Sub(now); wait > 0 {
		return f, false, wait
	}
	step, ok := stepOf(secret, text, now, f.LastStep)
	if ok {
		f.LastStep, f.Failures, f.NotBefore = step, 0, time.Time{}
		return f, true, 0
	}
	if f.Failures++; f.Failures > freeFailures {
		f.NotBefore = now.Add(min(firstWait<<min(f.Failures-freeFailures-1, 10), longestWait))
	}
	return f, false, 0
}

// CodeText is the secret as a person types it into an authenticator.
func CodeText(secret []byte) string { return base32.StdEncoding.EncodeToString(secret) }

// CodeURI is the secret as an authenticator reads it from a QR code.
func CodeURI(secret []byte, issuer, user string) string {
	q := url.Values{"secret": {CodeText(secret)}, "issuer": {issuer}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+user) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}
