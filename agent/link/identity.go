package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol/session"
)

// identity is a Record that was enrolled, ready for TLS.
type identity struct {
	cert      tls.Certificate // with Leaf
	authority *x509.Certificate
}

// newKey makes a private key, PKCS#8.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Internal("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fault.Internal("encode a key: %w", err)
	}
	return der, nil
}

// request asks for a certificate of a key (PKCS#8) and proves that we hold it.
func request(keyDER []byte) ([]byte, error) {
	key, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, fault.Internal("the agent's key is damaged; move its state directory away and join again with a new token")
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "steelyard agent"}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fault.Internal("make a certificate request: %w", err)
	}
	return der, nil
}

// load reads the record, or makes one with a new instance and key and keeps it: an
// enrolment that is cut off is repeated as the same instance.
func load(s State) (Record, error) {
	rec, ok, err := s.Load()
	if err != nil {
		return rec, err
	}
	if ok && rec.InstanceID != "" && len(rec.Key) > 0 {
		return rec, nil
	}
	if rec.Key, err = newKey(); err != nil {
		return rec, err
	}
	if rec.InstanceID == "" {
		rec.InstanceID = id.New("ins")
	}
	return rec, s.Save(rec)
}

// identity checks that the parts of an enrolled record belong together.
func (r Record) identity() (*identity, error) {
	key, err := x509.ParsePKCS8PrivateKey(r.Key)
	if err != nil {
		return nil, fault.Internal("the agent's key is damaged; move its state directory away and join again with a new token")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fault.Internal("the agent's key is of type %T, not ECDSA", key)
	}
	leaf, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fault.Invalid("the certificate is unreadable: %w", err)
	}
	authority, err := x509.ParseCertificate(r.Authority)
	if err != nil {
		return nil, fault.Invalid("the authority's certificate is unreadable: %w", err)
	}
	if !ec.PublicKey.Equal(leaf.PublicKey) {
		return nil, fault.Invalid("the certificate is not that of the agent's key")
	}
	if err := leaf.CheckSignatureFrom(authority); err != nil {
		return nil, fault.Denied("the certificate was not signed by the fleet's authority: %w", err)
	}
	if server, err := session.ServerID(leaf); err != nil || server != r.ServerID {
		return nil, fault.Denied("the certificate names server %q, not %q", server, r.ServerID)
	}
	return &identity{tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: ec, Leaf: leaf}, authority}, nil
}

// ended tells whether the certificate can no longer be used.
func (i *identity) ended(now time.Time) bool { return now.After(i.cert.Leaf.NotAfter) }

// renewAt is when two thirds of the certificate's life are over.
func (i *identity) renewAt() time.Time {
	leaf := i.cert.Leaf
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 3 * 2)
}
