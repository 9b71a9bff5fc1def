package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/go-crypt/crypt/algorithm/argon2"

	"github.com/steelyard/steelyard/pkg/fault"
)

// TokenPrefix starts every bearer token, so that one that leaked is recognised.
const TokenPrefix = "syt_"

// Digest is what is kept of a secret of 32 random bytes (rule X9): nothing slower
// is needed, because there is nothing to guess.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// SameDigest compares two digests in a time that does not depend on them.
func SameDigest(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Password limits, in characters and bytes.
const (
	MinPassword = 12
	MaxPassword = 256
	SaltBytes   = 16
)

// Cost of a password hash: argon2id as RFC 9106 recommends where memory is
// scarce (64 MiB, 3 passes, 4 lanes).
const (
	argonMemory  = 64 << 10 // KiB
	argonPasses  = 3
	argonLanes   = 4
	argonKeySize = 32
)

// HashPassword is the argon2id hash in PHC string format, with the given random
// salt of SaltBytes.
func HashPassword(password string, salt []byte) (string, error) {
	hasher, err := argon2.New(argon2.WithVariant(argon2.VariantID), argon2.WithM(argonMemory),
		argon2.WithT(argonPasses), argon2.WithP(argonLanes), argon2.WithK(argonKeySize))
	if err != nil {
		return "", fault.Internal("prepare argon2id: %w", err)
	}
	digest, err := hasher.HashWithSalt(password, salt)
	if err != nil {
		return "", fault.Internal("hash a password: %w", err)
	}
	return digest.Encode(), nil
}

// VerifyPassword reports whether password gives hash. It takes as long as hashing;
// a hash that cannot be read fits no password.
func VerifyPassword(hash, password string) bool {
	digest, err := argon2.Decode(hash)
	return err == nil && digest.Match(password)
}

// CheckPassword records what is wrong with a new password of a user.
func CheckPassword(c *fault.Check, field, password, user string) {
	switch {
	case len(password) < MinPassword:
		c.Add(field, "is too short; use at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		c.Add(field, "is too long; use at most %d bytes", MaxPassword)
	case user != "" && strings.Contains(strings.ToLower(password), strings.ToLower(user)):
		c.Add(field, "contains the user name; choose another one")
	}
}
