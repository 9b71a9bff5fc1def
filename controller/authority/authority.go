package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol/session"
)

// skew is how far clocks may differ: certificates begin that much in the past.
const skew = 5 * time.Minute

// Authority issues and signs. See [Open].
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	sign ed25519.PrivateKey
	seed []byte
	now  func() time.Time
}

// SetClock replaces time.Now, before first use.
func (a *Authority) SetClock(now func() time.Time) { a.now = now }

// Certificate of the authority. The caller must not change it.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Fingerprint is the hexadecimal SHA-256 of the authority's certificate, which join
// tokens carry.
func (a *Authority) Fingerprint() string { return session.Fingerprint(a.cert.Raw) }

// JoinToken is the text that a person hands to a new machine. It is shown once and
// never stored: it holds the secret (rule X9).
func (a *Authority) JoinToken(id, secret string) string {
	return session.NewJoinToken(id, secret, a.Fingerprint()).Text()
}

// Sign signs permits and image manifests (Ed25519, RFC 8032).
func (a *Authority) Sign(message []byte) []byte { return ed25519.Sign(a.sign, message) }

// SigningPublicKey checks what Sign made.
func (a *Authority) SigningPublicKey() ed25519.PublicKey {
	return a.sign.Public().(ed25519.PublicKey)
}

// TicketKeys are the TLS session ticket keys at a time: today's, tomorrow's and yesterday's,
// so that replicas whose clocks differ around midnight (UTC) still understand each
// other. They change once a day.
func (a *Authority) TicketKeys(now time.Time) ([][32]byte, error) {
	keys := make([][32]byte, 0, 3)
	for _, day := range []int{0, 1, -1} {
		date := now.UTC().AddDate(0, 0, day).Format(time.DateOnly)
		raw, err := hkdf.Key(sha256.New, a.seed, nil, "steelyard session tickets "+date, 32)
		if err != nil {
			return nil, fault.Internal("derive session ticket keys: %w", err)
		}
		keys = append(keys, [32]byte(raw))
	}
	return keys, nil
}

// Derive makes n secret bytes for one purpose from the authority's private key
// (HKDF-SHA256, RFC 5869). The same label gives the same bytes on every replica; other
// labels tell nothing about them.
func (a *Authority) Derive(label string, n int) ([]byte, error) {
	secret, err := a.key.Bytes()
	if err != nil {
		return nil, fault.Internal("read the authority's key: %w", err)
	}
	raw, err := hkdf.Key(sha256.New, secret, nil, "steelyard derived "+label, n)
	if err != nil {
		return nil, fault.Internal("derive %d bytes for %s: %w", n, label, err)
	}
	return raw, nil
}

// checkKey allows what handshakes stay cheap and safe with.
func checkKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize == 256 && k.Curve.Params().Name == "P-256" {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fault.Invalid("the key must be ECDSA P-256 or Ed25519, not %T", pub)
}
