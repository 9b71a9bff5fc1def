package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"sync"
	"sync/atomic"

	"github.com/steelyard/steelyard/protocol/session"
)

// Reasons of a refusal. They are metric labels: the list is closed.
const (
	refusedBusy      = "busy"                // too many handshakes or sessions at once
	refusedTLS       = "tls"                 // the handshake failed in another way
	refusedTimeout   = "handshake_timeout"   // the handshake took too long
	refusedProtocol  = "protocol"            // no application protocol of ours
	refusedForeign   = "foreign_certificate" // of another fleet
	refusedExpired   = "expired_certificate"
	refusedUnknown   = "unknown_server"
	refusedRejected  = "rejected_server"
	refusedRetired   = "retired_server"
	refusedRevoked   = "revoked_certificate"
	refusedElsewhere = "environment" // not the one that it enrolled in
	refusedConflict  = "identity_conflict"
	refusedEnrolRate = "enrol_rate"
	refusedEnrol     = "enrol" // the intake said no
)

// Stats is a snapshot of what the gateway counted since it was made.
type Stats struct {
	Sessions   int
	Handshakes uint64 // that succeeded
	Resumed    uint64 // of these
	Enrolled   uint64
	Lost       uint64 // sessions whose agent fell silent
	Replaced   uint64 // sessions that a reconnect replaced
	Reports    uint64
	Samples    uint64
	Commands   uint64 // sent
	Results    uint64 // accepted
	Unaccepted uint64 // reports and results that the intake could not take
	Stray      uint64 // answers that nobody waited for
	BulkBytes  uint64
	BytesIn    uint64 // on control sessions, without TLS
	BytesOut   uint64
	Refused    map[string]uint64 // connections, by reason
	BadFrames  map[string]uint64 // by session.Reason…
}

type counters struct {
	handshakes, resumed, enrolled, lost, replaced, reports atomic.Uint64
	samples, commands, results, unaccepted, stray, bulk    atomic.Uint64
	traffic                                                session.Traffic
	refused, bad                                           tally
}

// tally counts by reason.
type tally struct {
	mu sync.Mutex
	n  map[string]uint64
}

func newTally(reasons ...string) tally {
	n := make(map[string]uint64, len(reasons))
	for _, r := range reasons {
		n[r] = 0
	}
	return tally{n: n}
}

func (t *tally) add(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[reason]++
}

func (t *tally) snapshot() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// Stats is what was counted until now.
func (g *Gateway) Stats() Stats {
	c := &g.count
	return Stats{
		Sessions: g.table.len(), Handshakes: c.handshakes.Load(), Resumed: c.resumed.Load(), Enrolled: c.enrolled.Load(),
		Lost: c.lost.Load(), Replaced: c.replaced.Load(), Reports: c.reports.Load(), Samples: c.samples.Load(),
		Commands: c.commands.Load(), Results: c.results.Load(), Unaccepted: c.unaccepted.Load(), Stray: c.stray.Load(), BulkBytes: c.bulk.Load(),
		BytesIn: c.traffic.In.Load(), BytesOut: c.traffic.Out.Load(), Refused: c.refused.snapshot(), BadFrames: c.bad.snapshot(),
	}
}

// handshakeReason names why a TLS handshake failed.
func handshakeReason(err error) string {
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, session.ErrProtocol):
		return refusedProtocol
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refusedExpired
	case errors.As(err, &certificate):
		return refusedForeign
	case errors.As(err, &timeout) && timeout.Timeout():
		return refusedTimeout
	}
	return refusedTLS
}
