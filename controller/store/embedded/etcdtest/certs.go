package etcdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certs is a directory with a CA, a certificate of the members and one of the
// client, all P-256 and valid for an hour.
type certs struct{ dir string }

func (c certs) ca() string              { return c.cert("ca") }
func (c certs) cert(name string) string { return filepath.Join(c.dir, name+".crt") }
func (c certs) key(name string) string  { return filepath.Join(c.dir, name+".key") }

func newCerts(t testing.TB, dir string) certs {
	c := certs{dir}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := template(1, "test CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	c.write(t, "ca", ca, ca, caKey, caKey)
	for i, name := range []string{"member", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := template(int64(i+2), name)
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.write(t, name, leaf, ca, key, caKey)
	}
	return c
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func (c certs) write(t testing.TB, name string, leaf, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		c.cert(name): {Type: "CERTIFICATE", Bytes: der},
		c.key(name):  {Type: "PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
