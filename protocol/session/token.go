package session

import (
	"encoding/hex"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// tokenPrefix names the form of a join token.
const tokenPrefix = "syj1"

// JoinToken lets a machine enrol. It prints without its secret (rule X9); Text
// gives it whole.
type JoinToken struct {
	ID          string
	secret      string
	Fingerprint string // hexadecimal SHA-256 of the fleet authority's certificate
}

// NewJoinToken puts a token together.
func NewJoinToken(id, secret, fingerprint string) JoinToken {
	return JoinToken{ID: id, secret: secret, Fingerprint: strings.ToLower(fingerprint)}
}

// ParseJoinToken reads "syj1.<id>.<secret>.<fingerprint>". The error never repeats
// the text.
func ParseJoinToken(text string) (JoinToken, error) {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(text) > 512 || len(parts) != 4 || parts[0] != tokenPrefix || parts[1] == "" || parts[2] == "" {
		return JoinToken{}, fault.Invalid("this is no join token; it has the form %s.<id>.<secret>.<fingerprint>; make one with: steelyard token create --join", tokenPrefix)
	}
	sum, err := hex.DecodeString(parts[3])
	if err != nil || len(sum) != 32 {
		return JoinToken{}, fault.Invalid("the join token %s is cut short or mistyped: its last part must be the 64 hexadecimal digits of the fleet authority's fingerprint", parts[1])
	}
	return NewJoinToken(parts[1], parts[2], parts[3]), nil
}

// Text is the whole token, for the one place that shows it to its creator.
func (t JoinToken) Text() string {
	return strings.Join([]string{tokenPrefix, t.ID, t.secret, t.Fingerprint}, ".")
}

// Proof is the part that an EnrolRequest carries: "<id>.<secret>".
func (t JoinToken) Proof() string { return t.ID + "." + t.secret }

// String hides the secret.
func (t JoinToken) String() string {
	return strings.Join([]string{tokenPrefix, t.ID, "[secret]", t.Fingerprint}, ".")
}

// GoString hides the secret from %#v.
func (t JoinToken) GoString() string { return t.String() }

// SplitProof takes the id and the secret out of EnrolRequest.Token.
func SplitProof(proof string) (id, secret string, err error) {
	id, secret, ok := strings.Cut(proof, ".")
	if !ok || id == "" || secret == "" || len(proof) > 256 {
		return "", "", fault.Invalid("the join token must have the form <id>.<secret>")
	}
	return id, secret, nil
}
