package api

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer is an http.Server with the deadlines that the API needs: none that would
// end a long list, an upload or an event stream, which set their own, but one for
// each thing that a stranger could drag out.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // TLS scans and broken connections
	}
}
