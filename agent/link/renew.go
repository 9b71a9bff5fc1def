package link

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// renew asks for a certificate of a new key.
func (s *live) renew() {
	key, err := newKey()
	if err != nil {
		s.log.Error("no key to renew the certificate with", "error", err)
		return
	}
	csr, err := request(key)
	if err != nil {
		s.log.Error("certificate not renewed", "error", err)
		return
	}
	s.newKey = key
	s.send(protocol.KindRenew, &protocol.Renew{CSR: csr})
}

// takeRenewed keeps the new key and certificate together and ends the session.
func (s *live) takeRenewed(r protocol.Renewed) error {
	if r.Fault != nil || s.newKey == nil {
		s.log.Warn("certificate not renewed", "error", r.Fault)
		return nil
	}
	rec := s.record()
	rec.Key, rec.Certificate, s.newKey = s.newKey, r.Certificate, nil
	rec.ServerID = s.welcome.ServerID
	if err := s.adopt(rec); err != nil {
		s.log.Error("the new certificate cannot be used; the present one stays", "error", err)
		return nil
	}
	s.renewedAt = time.Now()
	s.log.Info("certificate renewed", "server", rec.ServerID)
	_ = s.conn.Send(protocol.KindGoodbye, &protocol.Goodbye{Fault: fault.Unavailable("the agent comes back with a new certificate")})
	return errRenewed
}
