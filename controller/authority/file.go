package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Names of the files in the directory.
const (
	SecretFile = "fleet.pem"     // everything; mode 0600
	PublicFile = "authority.pem" // the authority's certificate; mode 0644
)

// Types of the blocks in SecretFile.
const (
	blockCert = "CERTIFICATE"
	blockKey  = "STEELYARD AUTHORITY KEY" // PKCS#8
	blockSign = "STEELYARD SIGNING KEY"   // PKCS#8
	blockSeed = "STEELYARD TICKET SEED"   // 32 bytes
)

// lifetime of the authority's certificate.
const lifetime = 10 * 365 * 24 * time.Hour

// Open loads the authority of a directory, or makes one where there is none.
func Open(dir string) (*Authority, error) {
	path := filepath.Join(dir, SecretFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = create(dir)
	}
	if err != nil {
		return nil, fault.Unavailable("open the fleet authority %s: %w", path, err)
	}
	a, err := parse(text)
	if err != nil {
		return nil, fault.Internal("the fleet authority %s is damaged: %w; put back the copy of another controller or of a backup", path, err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: a.cert.Raw})
	if err := publish(filepath.Join(dir, PublicFile), public); err != nil {
		return nil, fault.Unavailable("write the authority's certificate: %w", err)
	}
	return a, nil
}

// create makes the keys and returns the file that is there afterwards, ours or that of
// another controller which was faster.
func create(dir string) ([]byte, error) {
	text, err := generate(time.Now())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tmp, err := writeTemp(dir, SecretFile, text)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp) }()
	path := filepath.Join(dir, SecretFile)
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// publish writes a public file where it is missing or differs.
func publish(path string, text []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
		return nil
	}
	tmp, err := writeTemp(filepath.Dir(path), filepath.Base(path), text)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Chmod(tmp, 0o644); err != nil { //nolint:gosec // a certificate is public
		return err
	}
	return os.Rename(tmp, path)
}

func writeTemp(dir, name string, text []byte) (string, error) {
	f, err := os.CreateTemp(dir, name+".tmp-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// generate makes the text of a new SecretFile.
func generate(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := selfSigned(key, now)
	if err != nil {
		return nil, err
	}
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails: crypto/rand ends the process instead
	return encodeFile(cert, key, sign, seed)
}

func selfSigned(key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Steelyard fleet authority", Organization: []string{"Steelyard"}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(lifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

func encodeFile(cert []byte, key *ecdsa.PrivateKey, sign ed25519.PrivateKey, seed []byte) ([]byte, error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	signDER, err := x509.MarshalPKCS8PrivateKey(sign)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, block := range []pem.Block{{Type: blockCert, Bytes: cert}, {Type: blockKey, Bytes: keyDER}, {Type: blockSign, Bytes: signDER}, {Type: blockSeed, Bytes: seed}} {
		if err := pem.Encode(&b, &block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// parse reads a SecretFile. Its errors never show what was read.
func parse(text []byte) (*Authority, error) {
	blocks := map[string][]byte{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		blocks[block.Type], text = block.Bytes, rest
	}
	a := &Authority{now: time.Now}
	return a, errors.Join(a.setCert(blocks), a.setSigning(blocks), a.setSeed(blocks))
}

func (a *Authority) setCert(blocks map[string][]byte) error {
	cert, err := x509.ParseCertificate(blocks[blockCert])
	if err != nil {
		return errors.New("no readable certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(blocks[blockKey])
	if err != nil {
		return errors.New("no readable authority key")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !ec.PublicKey.Equal(cert.PublicKey) {
		return errors.New("the authority key is not that of the certificate")
	}
	a.cert, a.key = cert, ec
	return nil
}

func (a *Authority) setSigning(blocks map[string][]byte) error {
	key, err := x509.ParsePKCS8PrivateKey(blocks[blockSign])
	if err != nil {
		return errors.New("no readable signing key")
	}
	sign, ok := key.(ed25519.PrivateKey)
	if !ok {
		return errors.New("the signing key is not an Ed25519 key")
	}
	a.sign = sign
	return nil
}

func (a *Authority) setSeed(blocks map[string][]byte) error {
	if len(blocks[blockSeed]) != 32 {
		return errors.New("no readable ticket seed")
	}
	a.seed = blocks[blockSeed]
	return nil
}

// serial is 127 random bits, positive.
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[0] &= 0x7f
	b[0] |= 0x40 // the same length for all
	return new(big.Int).SetBytes(b)
}
