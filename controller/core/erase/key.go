package erase

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
)

// KeyText is a public key as openssl reads it; nil for what is none.
func KeyText(key ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
