package session

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// serverURI is how a certificate names the server whose agent holds it.
const serverURI = "spiffe://steelyard/server/"

// ServerURI is the URI SAN of the agent certificate of one server.
func ServerURI(id string) string { return serverURI + id }

// ServerID finds the server that an agent certificate names.
func ServerID(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 {
		return "", fault.Denied("an agent certificate names one server; this one has %d URIs", len(cert.URIs))
	}
	id, ok := strings.CutPrefix(cert.URIs[0].String(), serverURI)
	if !ok || id == "" || strings.ContainsAny(id, "/?#%") {
		return "", fault.Denied("the certificate's URI names no server of a fleet")
	}
	return id, nil
}

// Listener is what the accepting side needs to know.
type Listener struct {
	// Certificate returns the controller's present certificate, its chain ending with
	// the authority's.
	Certificate func() (*tls.Certificate, error)
	Authority   *x509.Certificate
	// TicketKeys are shared by all replicas, newest first, so that an agent may resume on any of them.
	TicketKeys [][32]byte
	// Clock is time.Now where nil.
	Clock func() time.Time
}

// Config makes the TLS configuration of the listening socket. It answers each
// application protocol of package protocol in its own way, and nothing else. New
// ticket keys are given to its SetSessionTicketKeys.
//
// A resumed session is checked like a new one: the certificate must name a server and
// must not have ended. Whether the server is still welcome is for the caller to ask
// on every connection, from ConnectionState.PeerCertificates.
func (l Listener) Config() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(l.Authority)
	base := &tls.Config{MinVersion: tls.VersionTLS13, Time: l.Clock}
	enrol := l.forProtocol(protocol.ALPNEnrol, true)
	enrol.SessionTicketsDisabled = true
	mutual := map[string]*tls.Config{protocol.ALPNEnrol: enrol}
	for _, alpn := range []string{protocol.ALPNControl, protocol.ALPNBulk, protocol.ALPNSucceed, protocol.ALPNConsole, protocol.ALPNEnter} {
		c := l.forProtocol(alpn, false)
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, roots
		c.VerifyConnection = l.verifyAgent
		mutual[alpn] = c
	}
	base.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, alpn := range h.SupportedProtos {
			if c := mutual[alpn]; c != nil {
				return c, nil
			}
		}
		return nil, ErrProtocol
	}
	if len(l.TicketKeys) > 0 {
		base.SetSessionTicketKeys(l.TicketKeys)
	}
	return base
}

// ErrProtocol refuses a client that offers no application protocol of Steelyard.
var ErrProtocol = fault.Denied("this port speaks to Steelyard agents only")

func (l Listener) forProtocol(alpn string, chain bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{alpn},
		Time:       l.Clock,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := l.Certificate()
			if err != nil || chain {
				return c, err
			}
			leaf := *c // who has a certificate has the authority: half a kilobyte less
			leaf.Certificate = c.Certificate[:1]
			return &leaf, nil
		},
	}
}

func (l Listener) verifyAgent(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return fault.Denied("no certificate was shown")
	}
	cert := cs.PeerCertificates[0]
	now := time.Now()
	if l.Clock != nil {
		now = l.Clock()
	}
	if now.After(cert.NotAfter) {
		return fault.Denied("the certificate ended at %v", cert.NotAfter)
	}
	_, err := ServerID(cert)
	return err
}

// ControlTLS is the configuration of an agent that has a certificate. A controller
// must show a certificate of authority with the name protocol.ControllerName. A machine whose
// clock is behind still connects: only the end of a certificate is checked against it.
func ControlTLS(alpn string, cert tls.Certificate, authority *x509.Certificate, cache tls.ClientSessionCache) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         protocol.ControllerName,
		NextProtos:         []string{alpn},
		Certificates:       []tls.Certificate{cert},
		ClientSessionCache: cache,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, against the pinned authority
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verifyController(cs, authority)
		},
	}
}

// EnrolTLS is the configuration of an agent that knows nothing but a join token's
// fingerprint: the controller must show the authority that has it, and a certificate of
// that authority.
func EnrolTLS(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         protocol.ControllerName,
		NextProtos:         []string{protocol.ALPNEnrol},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, against the pinned fingerprint
		VerifyConnection: func(cs tls.ConnectionState) error {
			for _, cert := range cs.PeerCertificates[1:] {
				if Fingerprint(cert.Raw) == strings.ToLower(fingerprint) {
					return verifyController(cs, cert)
				}
			}
			return fault.Denied("the controller is not of the fleet that the join token was made for: no certificate of its chain has the fingerprint %s", fingerprint)
		},
	}
}

// Fingerprint is the hexadecimal SHA-256 of a DER certificate.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func verifyController(cs tls.ConnectionState, authority *x509.Certificate) error {
	leaf := cs.PeerCertificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	now := time.Now()
	if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, DNSName: protocol.ControllerName, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fault.Denied("the controller is not of this agent's fleet: %w", err)
	}
	return nil
}

// Tickets is a session cache for one agent: one ticket. The zero value is ready.
// Forget it when the certificate changes: a resumed session shows the old one.
type Tickets struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

// Get returns the ticket.
func (t *Tickets) Get(string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.state != nil
}

// Put replaces the ticket; nil drops it.
func (t *Tickets) Put(_ string, s *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = s
}

// Forget drops the ticket.
func (t *Tickets) Forget() { t.Put("", nil) }
