package app

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/steelyard/steelyard/controller/metrics"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
)

// atLeast drops lines below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}

// backend is where the state lies.
type backend struct {
	kv    kv.KV
	close func()
	died  <-chan error // nil for an external cluster
	size  func(context.Context) (metrics.Etcd, error)
}

func openBackend(ctx context.Context, o Options) (*backend, error) {
	if len(o.Etcd.Endpoints) > 0 {
		s, err := etcdkv.Open(o.Etcd)
		if err != nil {
			return nil, err
		}
		return &backend{kv: s, close: func() { s.Close() }, size: func(context.Context) (metrics.Etcd, error) { return metrics.Etcd{}, nil }}, nil
	}
	e, err := embedded.Open(ctx, embedded.Options{Dir: filepath.Join(o.Data, "state"), Logger: slog.New(atLeast{o.Logger.Handler(), o.EtcdLevel})})
	if err != nil {
		return nil, err
	}
	s := e.KV()
	return &backend{kv: s, died: e.Err(), close: func() { s.Close(); e.Close() }, size: func(context.Context) (metrics.Etcd, error) {
		h := e.Health()
		return metrics.Etcd{Size: h.DBSize, InUse: h.DBInUse, Quota: h.Quota}, nil
	}}, nil
}
