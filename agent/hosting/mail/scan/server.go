package scan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// patience is how long either side may say nothing: Postfix sends the body as its client does.
const patience = 10 * time.Minute

// Server is the milter.
type Server struct {
	Wants  func(domain string) bool // whether mail to the domain is scanned; asked with text from outside that was not checked
	Clamd  string                   // socket of clamd
	Log    *slog.Logger
	active sync.WaitGroup
}

// Serve answers who connects to l until the context ends, and closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.active.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("serve the mail scan: %w", err)
		}
		if err != nil {
			s.Log.Warn("mail scan: a connection failed", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		s.active.Go(func() { s.serve(ctx, conn) })
	}
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	d := dialogue{server: s, conn: conn}
	defer d.reset()
	if err := d.run(); err != nil && ctx.Err() == nil {
		s.Log.Warn("mail scan: a dialogue with Postfix failed", "error", err)
	}
}
