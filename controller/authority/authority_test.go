package authority

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func csr(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{protocol.ControllerName}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAuthorityIsMadeOnceAndLoadedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	first, second := open(t, dir), open(t, dir)
	if first.Fingerprint() != second.Fingerprint() || !first.SigningPublicKey().Equal(second.SigningPublicKey()) {
		t.Error("a second start made another authority")
	}
	for name, mode := range map[string]os.FileMode{SecretFile: 0o600, PublicFile: 0o644} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", name, st, err, mode)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestControllersThatStartTogetherShareOneAuthority(t *testing.T) {
	dir := t.TempDir()
	prints := make([]string, 8)
	var wg sync.WaitGroup
	for i := range prints {
		wg.Go(func() {
			if a, err := Open(dir); err != nil {
				t.Error(err)
			} else {
				prints[i] = a.Fingerprint()
			}
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] {
			t.Fatalf("different authorities: %v", prints)
		}
	}
}

func TestReplicasDeriveTheSameTicketKeys(t *testing.T) {
	a := open(t, t.TempDir())
	dir := t.TempDir()
	text, err := encodeFile(a.cert.Raw, a.key, a.sign, a.seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, SecretFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	day := time.Date(2026, 5, 6, 23, 59, 0, 0, time.UTC)
	ka, errA := a.TicketKeys(day)
	kb, errB := b.TicketKeys(day.Add(2 * time.Minute)) // after midnight
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if ka[1] != kb[0] || ka[0] != kb[2] || ka[0] == kb[0] {
		t.Error("replicas on both sides of midnight do not know each other's keys")
	}
}

func TestDamagedFileIsRefusedWithoutShowingIt(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, SecretFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := generate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, _, _ := strings.Cut(string(other), "-----BEGIN "+blockKey)
	_, keys, _ := strings.Cut(string(text), "-----END CERTIFICATE-----\n")
	for name, damaged := range map[string]string{
		"empty": "", "cut": string(text[:len(text)/2]), "certificate of another": cert + keys,
		"no seed": strings.Split(string(text), "-----BEGIN "+blockSeed)[0],
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); !fault.Is(err, fault.KindInternal) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v", name, err)
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != damaged {
			t.Errorf("%s: the damaged file was touched", name)
		}
	}
}

func TestAgentCertificateNamesOnlyItsServer(t *testing.T) {
	a := open(t, t.TempDir())
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{ecKey(t, elliptic.P256()), edKey} {
		server := id.New("srv")
		issued, err := a.IssueAgent(server, csr(t, key), 0)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(issued.DER)
		if err != nil {
			t.Fatal(err)
		}
		named, err := session.ServerID(cert)
		if err != nil || named != server || len(cert.DNSNames) != 0 || cert.Subject.CommonName != server || cert.IsCA {
			t.Errorf("the request's names got into the certificate: %v %v %v %v", named, err, cert.DNSNames, cert.Subject)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.Certificate())
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Error(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
			t.Error("an agent's certificate can pose as a controller's")
		}
		if issued.Serial != Serial(cert) || !issued.NotAfter.Equal(cert.NotAfter) || !a.Fresh(cert) {
			t.Errorf("issued %+v, certificate %v until %v", issued, Serial(cert), cert.NotAfter)
		}
		if left := time.Until(cert.NotAfter); left < AgentLifetime-time.Minute || left > AgentLifetime {
			t.Errorf("lives for %v", left)
		}
	}
}

func TestRequestsThatProveNothingAreRefused(t *testing.T) {
	a := open(t, t.TempDir())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := csr(t, ecKey(t, elliptic.P256()))
	forged := append([]byte(nil), good...)
	forged[len(forged)-5] ^= 1
	for name, der := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "RSA": csr(t, rsaKey), "P-384": csr(t, ecKey(t, elliptic.P384())), "forged": forged,
	} {
		if _, err := a.IssueAgent(id.New("srv"), der, 0); err == nil || fault.Is(err, fault.KindInternal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, server := range []string{"", "../admin", "srv-1", "srv-06c8zq3k8h2m4x9e/x"} {
		if _, err := a.IssueAgent(server, good, 0); err == nil {
			t.Errorf("a certificate for %q", server)
		}
	}
}

func TestServerCertificateRenewsItself(t *testing.T) {
	a := open(t, t.TempDir())
	now := time.Now()
	a.SetClock(func() time.Time { return now })
	get := a.ServerCertificate("steelyard.example", "192.0.2.7", "")
	first, err := get()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{protocol.ControllerName, "steelyard.example", "192.0.2.7"} {
		if err := first.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	now = now.Add(ServerLifetime/3*2 - time.Minute)
	if same, err := get(); err != nil || same != first {
		t.Error("replaced too early", err)
	}
	now = now.Add(2 * time.Minute)
	if next, err := get(); err != nil || next == first {
		t.Error("not replaced in time", err)
	}
}

func TestSignaturesVerify(t *testing.T) {
	a := open(t, t.TempDir())
	message := []byte(`{"id":"permit"}`)
	if !ed25519.Verify(a.SigningPublicKey(), message, a.Sign(message)) || ed25519.Verify(a.SigningPublicKey(), []byte("other"), a.Sign(message)) {
		t.Error("signature")
	}
}

func TestX9_JoinTokenIsParsedByTheAgentAndBindsTheFleet(t *testing.T) {
	a := open(t, t.TempDir())
	tok, err := session.ParseJoinToken(a.JoinToken("tok-1", id.Secret()))
	if err != nil || tok.Fingerprint != a.Fingerprint() || tok.ID != "tok-1" {
		t.Errorf("%v, %v", tok, err)
	}
}

func TestX9_DerivedBytesAreTheSameOnEveryReplicaAndTellNothingOfOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	first, second, other := open(t, dir), open(t, dir), open(t, t.TempDir())
	derive := func(a *Authority, label string, n int) string {
		t.Helper()
		b, err := a.Derive(label, n)
		if err != nil || len(b) != n {
			t.Fatalf("derive %d bytes for %s: %d, %v", n, label, len(b), err)
		}
		return string(b)
	}
	one := derive(first, "secrets", 32)
	if one != derive(second, "secrets", 32) {
		t.Error("two replicas derive different bytes")
	}
	if one == derive(first, "secrets 2", 32) || one == derive(other, "secrets", 32) || strings.Contains(derive(first, "secrets 2", 64), one[:16]) {
		t.Error("another label or another authority gives the same bytes")
	}
	if _, err := first.Derive("secrets", 256*32); err == nil {
		t.Error("more was derived than HKDF has")
	}
}
