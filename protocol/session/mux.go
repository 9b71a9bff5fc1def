package session

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/steelyard/steelyard/pkg/fault"
)

// silence takes yamux's log lines; what matters comes back as an error.
type silence struct{}

func (silence) Print(...any)          {}
func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

func muxConfig() *yamux.Config {
	return &yamux.Config{
		AcceptBacklog:          8,
		EnableKeepAlive:        false,
		KeepAliveInterval:      time.Minute, // unused, but must be positive
		ConnectionWriteTimeout: WriteTimeout,
		MaxStreamWindowSize:    maxWindow,
		StreamOpenTimeout:      FrameTimeout,
		StreamCloseTimeout:     FrameTimeout,
		Logger:                 silence{},
	}
}

// config is shared by all sessions; yamux only reads it.
var config = muxConfig()

// stream is the one stream of a multiplexed connection.
type stream struct {
	*yamux.Stream
	mux   *yamux.Session
	guard *guard
}

// Read reports what the guard saw instead of the end that yamux made of it.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if err == nil {
		return n, nil
	}
	if bad := s.guard.bad.Load(); bad != nil {
		return n, bad
	}
	if errors.Is(err, yamux.ErrSessionShutdown) || errors.Is(err, yamux.ErrConnectionReset) {
		return n, io.EOF
	}
	return n, err
}

// Close ends the whole session.
func (s *stream) Close() error { return s.mux.Close() }

// Server takes the accepting side of the multiplexer on raw and waits for the one
// stream, as long as ctx allows. It owns raw from then on. A nil traffic is not counted.
func Server(ctx context.Context, raw net.Conn, traffic *Traffic) (*Conn, error) {
	g := newGuard(raw, traffic)
	g.opens = 1
	mux, err := yamux.Server(g, config)
	if err != nil {
		_ = raw.Close()
		return nil, fault.Internal("start the multiplexer: %w", err)
	}
	s, err := mux.AcceptStreamWithContext(ctx)
	if err != nil {
		_ = mux.Close()
		if bad := g.bad.Load(); bad != nil {
			return nil, bad
		}
		return nil, fault.Unavailable("no control stream was opened: %w", err)
	}
	return NewConn(&stream{s, mux, g}, 0), nil
}

// Client takes the dialling side and opens the one stream. It owns raw from then on.
func Client(raw net.Conn, traffic *Traffic) (*Conn, error) {
	g := newGuard(raw, traffic)
	g.stream = firstStream
	mux, err := yamux.Client(g, config)
	if err != nil {
		_ = raw.Close()
		return nil, fault.Internal("start the multiplexer: %w", err)
	}
	s, err := mux.OpenStream()
	if err != nil {
		_ = mux.Close()
		return nil, fault.Unavailable("open the control stream: %w", err)
	}
	return NewConn(&stream{s, mux, g}, 0), nil
}

func newGuard(raw net.Conn, traffic *Traffic) *guard {
	if traffic == nil {
		traffic = new(Traffic)
	}
	return &guard{Conn: raw, traffic: traffic}
}
