package etcdkv_test

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
	"github.com/steelyard/steelyard/controller/store/kv/kvtest"
)

// A watch that begins with the next revision, on an etcd where nobody writes, hears that
// all is well, and so do the others on its connection.
func TestWatchesOfAnIdleEtcdAreNotTakenForDead(t *testing.T) {
	s := etcdkv.New(etcdtest.Single(t).Client(), etcdkv.Options{Silence: 600 * time.Millisecond})
	rev := kvtest.MustCommit(t, t.Context(), s, kv.Put("k", []byte("v")))
	for _, prefix := range []string{"", "other"} {
		ch, err := s.Watch(t.Context(), prefix, rev+1)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if b := <-ch; b.Err != nil || len(b.Events) > 0 || b.Rev < rev {
				t.Fatalf("an idle watch of %q tells %+v", prefix, b)
			}
		}
	}
}
