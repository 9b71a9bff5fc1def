package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// Lifetimes of certificates.
const (
	AgentLifetime  = 7 * 24 * time.Hour
	ServerLifetime = 30 * 24 * time.Hour
)

// freshFor is how long a certificate counts as just issued.
const freshFor = time.Minute

// Issued is an agent's new certificate.
type Issued struct {
	ServerID string
	DER      []byte // X.509
	Serial   string // hexadecimal
	NotAfter time.Time
}

// Serial is the name under which a certificate is recorded.
func Serial(cert *x509.Certificate) string { return hex.EncodeToString(cert.SerialNumber.Bytes()) }

// Fresh tells whether an agent's certificate was issued so lately that a replica may
// not have heard of it yet.
func (a *Authority) Fresh(cert *x509.Certificate) bool {
	return a.now().Before(cert.NotBefore.Add(skew + freshFor))
}

// CheckRequest reads a PKCS#10 request (DER) and proves that its sender holds the key.
func CheckRequest(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fault.Invalid("read the certificate request: %w", err)
	}
	if err := checkKey(csr.PublicKey); err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fault.Denied("the certificate request is not signed by its own key: %w", err)
	}
	return csr, nil
}

// IssueAgent certifies the key of a request (DER) as that of a server's agent. Names in
// the request are ignored. A lifetime of 0 means AgentLifetime.
func (a *Authority) IssueAgent(serverID string, csrDER []byte, life time.Duration) (Issued, error) {
	if !id.Valid("srv", serverID) {
		return Issued{}, fault.Internal("%q is not the id of a server", serverID)
	}
	csr, err := CheckRequest(csrDER)
	if err != nil {
		return Issued{}, err
	}
	if life <= 0 {
		life = AgentLifetime
	}
	uri, err := url.Parse(session.ServerURI(serverID))
	if err != nil {
		return Issued{}, fault.Internal("name server %s: %w", serverID, err)
	}
	template := a.template(life)
	template.Subject = pkix.Name{CommonName: serverID}
	template.URIs = []*url.URL{uri}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := a.certify(template, csr.PublicKey)
	if err != nil {
		return Issued{}, err
	}
	return Issued{ServerID: serverID, DER: der, Serial: Serial(template), NotAfter: template.NotAfter}, nil
}

func (a *Authority) template(life time.Duration) *x509.Certificate {
	now := a.now()
	end := now.Add(life).Truncate(time.Second)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          serial(),
		NotBefore:             now.Add(-skew).Truncate(time.Second),
		NotAfter:              end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
}

func (a *Authority) certify(template *x509.Certificate, key crypto.PublicKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, fault.Internal("sign a certificate: %w", err)
	}
	return der, nil
}

// IssueServer makes a key and a certificate for a controller: protocol.ControllerName and
// the given names and addresses, for agents and for the HTTP API. The chain ends with
// the authority.
func (a *Authority) IssueServer(names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Internal("make a key: %w", err)
	}
	template := a.template(ServerLifetime)
	template.Subject = pkix.Name{CommonName: protocol.ControllerName}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{protocol.ControllerName}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := a.certify(template, key.Public())
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Internal("read back a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// ServerCertificate returns a function that gives a controller's certificate and
// replaces it when two thirds of its life are over. names may be host names or addresses.
func (a *Authority) ServerCertificate(names ...string) func() (*tls.Certificate, error) {
	var mu sync.Mutex
	var cert *tls.Certificate
	return func() (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if cert != nil && a.now().Before(cert.Leaf.NotAfter.Add(-ServerLifetime/3)) {
			return cert, nil
		}
		next, err := a.IssueServer(names)
		if err == nil {
			cert = next
		}
		return next, err
	}
}
