package e2e

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
)

// searchKept looks through every file of controller and agents, and through etcd by its own API: all keys, all values, and
// all former values that it still has.
func (s *secretive) searchKept(h *haystack) {
	etcd := filepath.Join(s.data, "state")
	s.searchFiles(h, "the files of etcd", etcd, 3)
	s.searchFiles(h, "the files of the controller", s.data, 5)
	s.searchFiles(h, "the state of the agents", s.state, 3)
	s.searchEtcd(h, etcd)
}

func (s *secretive) searchFiles(h *haystack, where, dir string, least int) {
	t := s.client.t
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path == filepath.Join(s.data, "state") && dir == s.data {
			return fs.SkipDir // looked at on its own
		}
		h.in(where, []byte(path))
		if !e.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		files++
		h.in(where, text)
		return err
	})
	if err != nil || files < least {
		t.Errorf("%s: %d files were looked through: %v", where, files, err)
	}
}

func (s *secretive) searchEtcd(h *haystack, dir string) {
	t := s.client.t
	c := etcdtest.SingleIn(t, dir).Client()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	now, err := c.Get(ctx, "\x00", clientv3.WithFromKey())
	must(t, err)
	if len(now.Kvs) < 200 {
		t.Errorf("etcd has only %d keys", len(now.Kvs))
	}
	for _, kv := range now.Kvs {
		h.in("a key in etcd", kv.Key)
		h.in("a value in etcd", kv.Value)
	}
	former := 0
	for resp := range c.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(1), clientv3.WithFragment()) {
		if resp.CompactRevision > 0 { // what is older is gone, except from the files
			t.Logf("etcd was compacted at revision %d", resp.CompactRevision)
			break
		}
		must(t, resp.Err())
		for _, e := range resp.Events {
			former++
			h.in("a value in etcd", e.Kv.Value)
		}
		if resp.Header.Revision >= now.Header.Revision && len(resp.Events) > 0 && resp.Events[len(resp.Events)-1].Kv.ModRevision >= now.Header.Revision {
			break
		}
	}
	t.Logf("etcd: %d keys, %d former values", len(now.Kvs), former)
}
