package embedded_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/kvtest"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestDataSurvivesARestartAndIsOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	t.Run("first", func(t *testing.T) {
		kvtest.MustCommit(t, t.Context(), etcdtest.SingleIn(t, dir).KV(), kv.Put("a", []byte("1")))
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Fatalf("mode %v, %v", st.Mode(), err)
		}
		_, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Test: true})
		if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "in use") {
			t.Fatalf("two processes in one directory: %v", err)
		}
	})
	s := etcdtest.SingleIn(t, dir)
	if e, err := s.KV().Get(t.Context(), "a"); err != nil || string(e.Value) != "1" {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := s.Defragment(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := s.Health()
	if h.DBSize == 0 || h.DBInUse == 0 || h.AppliedIndex == 0 || h.Free == 0 || h.Full != nil || h.Halted || h.Alarms != 0 {
		t.Fatalf("%+v", h)
	}
}

// small mounts a file system of its own; that takes root, and a test that
// cannot have it says so, except where everything must run.
func small(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mounting a small file system: %v", err)
		}
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func fill(t *testing.T, dir string, leave int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string, reserve int64) *embedded.Server {
	t.Helper()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(dir, "data"), Test: true, Reserve: reserve, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFullDiskRefusesWritesWhileReadsGoOnUntilThereIsRoom(t *testing.T) {
	dir := small(t, 48)
	s := open(t, dir, 8<<20)
	defer s.Close()
	store := s.KV()
	kvtest.MustCommit(t, t.Context(), store, kv.Put("a", []byte("1")))
	fill(t, dir, 4<<20)
	var err error
	await(t, func() bool {
		_, _, err = store.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put("a", []byte("2"))}})
		return err != nil
	})
	if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("not clear: %v", err)
	}
	if _, err := store.Get(t.Context(), "a"); err != nil {
		t.Fatalf("reads do not go on: %v", err)
	}
	if h := s.Health(); h.Full == nil || h.Free >= h.Reserve {
		t.Fatalf("%+v", h)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		_, ok, err := store.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put("a", []byte("3"))}})
		return ok && err == nil
	})
}

// Without the reserve etcd runs into the wall. It must not take the process
// along, and what was acknowledged must be there after the restart.
func TestEtcdThatCannotWriteHaltsInsteadOfEndingTheProcess(t *testing.T) {
	dir := small(t, 24)
	s := open(t, dir, 1)
	store := s.KV()
	fill(t, dir, 1<<19)
	acked := 0
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, _, err = store.Commit(ctx, kv.Txn{Ops: []kv.Op{kv.Put(fmt.Sprintf("k/%04d", i), make([]byte, 64<<10))}})
		cancel()
		if err == nil {
			acked++
		}
	}
	if !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("after %d writes: %v", acked, err)
	}
	select {
	case err := <-s.Err():
		if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "restart") {
			t.Fatalf("not clear: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the end of etcd was not told")
	}
	start := time.Now()
	if _, err := store.Get(t.Context(), "k/0000"); !fault.Is(err, fault.KindUnavailable) || time.Since(start) > time.Second {
		t.Fatalf("a halted etcd answers %v after %s", err, time.Since(start))
	}
	if !s.Health().Halted {
		t.Fatal("health does not tell")
	}
	if err := s.Close(); err == nil {
		t.Fatal("a halted etcd was closed")
	}
	copied := restartElsewhere(t, dir)
	page, err := copied.KV().List(t.Context(), "k/", kv.ListOptions{KeysOnly: true})
	if err != nil || len(page.Entries) < acked {
		t.Fatalf("%d writes were acknowledged, %d are there: %v", acked, len(page.Entries), err)
	}
}

// restartElsewhere is the restart with more room: of a copy, since the halted
// etcd of this process still holds its locks.
func restartElsewhere(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	return etcdtest.SingleIn(t, to)
}

func TestFullDiskAtTheStartIsToldClearly(t *testing.T) {
	dir := small(t, 24)
	fill(t, dir, 1<<20)
	_, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(dir, "data"), Test: true})
	if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("%v", err)
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
	}
}
