package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// halt is what etcd meets instead of the end of the process: the goroutine
// that logged a fatal error stands still for ever, and with it all writes.
type halt struct {
	halted atomic.Bool
	once   sync.Once
	failed chan error    // holds the first fatal error
	begun  chan struct{} // closed with it
}

func newHalt() *halt {
	return &halt{failed: make(chan error, 1), begun: make(chan struct{})}
}

// OnWrite implements zapcore.CheckWriteHook. It does not return.
func (h *halt) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	h.once.Do(func() {
		h.halted.Store(true)
		h.failed <- fatalError(e.Message, fields)
		close(h.begun)
	})
	select {}
}

func fatalError(message string, fields []zapcore.Field) error {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			return errors.Join(errors.New(message), err)
		}
	}
	return errors.New(message)
}

// newZap makes the logger that etcd wants: warnings and worse go to l.
func newZap(l *slog.Logger, h *halt) *zap.Logger {
	return zap.New(slogCore{l}, zap.WithFatalHook(h), zap.WithPanicHook(h))
}

type slogCore struct{ l *slog.Logger }

func (c slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }
func (c slogCore) Sync() error                  { return nil }

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.l.With(attrs(fields)...)}
}

func (c slogCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level > zapcore.WarnLevel {
		level = slog.LevelError
	}
	c.l.With(attrs(fields)...).Log(context.Background(), level, "etcd: "+e.Message)
	return nil
}

func attrs(fields []zapcore.Field) []any {
	enc := zapcore.NewMapObjectEncoder()
	out := make([]any, 0, len(fields))
	for _, f := range fields {
		f.AddTo(enc)
		if v, ok := enc.Fields[f.Key]; ok {
			out = append(out, slog.Any(f.Key, v))
		}
	}
	return out
}
