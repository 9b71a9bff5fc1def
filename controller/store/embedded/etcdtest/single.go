package etcdtest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/embedded"
)

// Single starts an embedded etcd with test settings in a new directory. It is
// closed when the test ends.
func Single(t testing.TB) *embedded.Server {
	t.Helper()
	return SingleIn(t, t.TempDir())
}

// SingleIn starts it in dir, where an earlier one may have left its data.
func SingleIn(t testing.TB, dir string) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := embedded.Open(ctx, embedded.Options{Dir: dir, Test: true, Logger: slog.New(slog.DiscardHandler), Reserve: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
