package gateway

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
)

// Options of a gateway. Zero values mean what their comments say.
type Options struct {
	Authority   *authority.Authority
	Certificate func() (*tls.Certificate, error) // of this controller; see Authority.ServerCertificate
	Directory   Directory
	Intake      Intake
	Presence    Presence
	Images      Images
	Entries     Entries // nil: no server starts the RAM environment by itself
	Hosting     Hosting // nil: no server carries accounts
	Usage       Usage   // nil: nobody counts
	Replica     string  // name of this replica in presence records
	Logger      *slog.Logger
	FleetSize   func() int // all servers, of all replicas; nil: the sessions of this one

	Heartbeat     time.Duration // 15 s
	SampleEvery   time.Duration // 60 s
	AgentLifetime time.Duration // of agent certificates; authority.AgentLifetime
	ReturnWithin  time.Duration // a small fleet that lost its controller comes back within this; 5 s

	HandshakesPerSecond float64 // accepted connections, as many at once; 500
	MaxHandshakes       int     // in work at a time; 4096
	MaxSessions         int     // no limit
	EnrolPerSecond      float64 // from one address, twice as many at once; 100
	MaxBulk             int     // image streams at a time; 64
}

func (o Options) withDefaults() Options {
	orDefault(&o.Heartbeat, 15*time.Second)
	orDefault(&o.SampleEvery, time.Minute)
	orDefault(&o.AgentLifetime, authority.AgentLifetime)
	orDefault(&o.ReturnWithin, 5*time.Second)
	orDefault(&o.HandshakesPerSecond, 500)
	orDefault(&o.MaxHandshakes, 4096)
	orDefault(&o.EnrolPerSecond, 100)
	orDefault(&o.MaxBulk, 64)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
