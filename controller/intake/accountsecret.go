package intake

import (
	"crypto/rand"

	"github.com/steelyard/steelyard/controller/core/account"
)

// kept is what is kept of one password (rule X9).
type kept struct {
	console string // argon2id
	system  string // sha512-crypt: system, FTP, mail
}

// newDigests takes about a tenth of a second; it is done before the commit, which may run more than once.
func newDigests(password string) (d kept, err error) {
	if d.console, err = hashOf(password); err != nil {
		return d, err
	}
	d.system, err = systemDigest(password)
	return d, err
}

// saltAlphabet has 64 characters, so that each random byte gives one of them with the same chance.
const saltAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func systemDigest(password string) (string, error) {
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	for i := range salt {
		salt[i] = saltAlphabet[salt[i]%64]
	}
	return account.SystemDigest(password, string(salt[:]))
}
