package redfish

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// UnknownCertificate is the cause of a refusal: nobody has accepted the certificate
// that the service shows. A person may, by storing its hash as the pin.
type UnknownCertificate struct {
	SHA256 string // of the certificate in DER, lower-case hex
	Pinned bool   // another one was accepted before
	reason error
}

func (u *UnknownCertificate) Error() string {
	if u.Pinned {
		return fmt.Sprintf("its certificate (SHA-256 %s) is not the accepted one any more; find out why it changed before you accept the new one", u.SHA256)
	}
	return fmt.Sprintf("its certificate (SHA-256 %s) is not known (%v); compare it with the one in the management controller's own pages, then accept it", u.SHA256, u.reason)
}

// trust verifies the service by the pin if there is one, else by the chain and the host's name.
// It happens in the handshake, so nothing was sent to a stranger.
func trust(host, pin string, roots *x509.CertPool) (*tls.Config, error) {
	pin = strings.ToLower(strings.ReplaceAll(pin, ":", ""))
	if raw, err := hex.DecodeString(pin); pin != "" && (err != nil || len(raw) != sha256.Size) {
		return nil, fault.Invalid("the pin is not a SHA-256 in hex: 64 digits")
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it, with the pin
		VerifyConnection: func(state tls.ConnectionState) error {
			return verify(state.PeerCertificates, host, pin, roots)
		},
	}, nil
}

func verify(chain []*x509.Certificate, host, pin string, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("the service shows no certificate")
	}
	sum := sha256.Sum256(chain[0].Raw)
	seen := hex.EncodeToString(sum[:])
	if pin != "" {
		if subtle.ConstantTimeCompare([]byte(seen), []byte(pin)) == 1 {
			return nil
		}
		return &UnknownCertificate{SHA256: seen, Pinned: true}
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between})
	if err != nil {
		return &UnknownCertificate{SHA256: seen, reason: err}
	}
	return nil
}
