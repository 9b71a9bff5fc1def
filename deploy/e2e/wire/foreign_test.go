package wire

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// dialWith connects to c with the key and certificate of a record, whoever issued it.
func dialWith(t *testing.T, c *controller, rec link.Record) *tls.Conn {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(rec.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert := tls.Certificate{Certificate: [][]byte{rec.Certificate}, PrivateKey: key}
	conn, err := tls.Dial("tcp", c.address, session.ControlTLS(protocol.ALPNControl, cert, c.authority.Certificate(), nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
