package account

import (
	"crypto/sha1" //nolint:gosec // what mysql_native_password is made of
	"encoding/hex"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// passwordLength in characters of five random bits each: 100 bits.
const passwordLength = 20

// rounds of sha512-crypt: about 10 ms, at each login by FTP or mail.
const rounds = 20000

// NewPassword makes one that nobody guesses, of small letters and digits that are told apart.
func NewPassword() string { return id.Secret()[:passwordLength] }

// SystemDigest is the password as crypt(5) has it, sha512-crypt with the given salt of 16 letters and digits: for system, FTP and mail.
func SystemDigest(password, salt string) (string, error) {
	hasher, err := shacrypt.New(shacrypt.WithVariant(shacrypt.VariantSHA512), shacrypt.WithIterations(rounds))
	if err != nil {
		return "", fault.Internal("prepare sha512-crypt: %w", err)
	}
	digest, err := hasher.HashWithSalt(password, []byte(salt))
	if err != nil {
		return "", fault.Internal("hash a password: %w", err)
	}
	return digest.Encode(), nil
}

// DatabaseDigest is the password as mysql_native_password has it.
func DatabaseDigest(password string) string {
	once := sha1.Sum([]byte(password)) //nolint:gosec // the method of the database server
	twice := sha1.Sum(once[:])         //nolint:gosec
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}

// CheckPassword records what is wrong with a password that a person chose. What crypt(3) or a login by FTP would cut off or change is refused.
func CheckPassword(c *fault.Check, field, password, user string) {
	access.CheckPassword(c, field, password, user)
	c.Require(!strings.ContainsAny(password, "\x00\r\n"), field, "has a line break or a zero in it")
}
