package etcdkv_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
	"github.com/steelyard/steelyard/controller/store/kv/kvtest"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestContractOnEmbeddedEtcd(t *testing.T) {
	srv := etcdtest.Single(t)
	n := 0
	kvtest.Run(t, func(*testing.T) kv.KV {
		n++
		return etcdkv.New(srv.Client(), etcdkv.Options{Prefix: fmt.Sprintf("/%d/", n), Limits: embedded.Limits})
	})
}

func TestCompactionEndsListsAndWatches(t *testing.T) {
	s := etcdtest.Single(t).KV()
	kvtest.Compaction(t, s, func(rev int64) error {
		_, err := s.Client().Compact(t.Context(), rev)
		return err
	})
}

// The suite on three members with mutual TLS, while in the middle of other
// writes the leader dies: acknowledged writes stay and writing goes on.
func TestContractOnClusterOfThreeThatLosesItsLeader(t *testing.T) {
	cluster := etcdtest.NewCluster(t)
	s := open(t, cluster.Config())
	stop := make(chan struct{})
	var writer sync.WaitGroup
	var acked atomic.Int64
	writer.Go(func() { writeUntil(t, stop, s, &acked) })
	waitFor(t, func() bool { return acked.Load() > 20 })
	cluster.KillLeader()
	after := acked.Load()
	n := 0
	kvtest.Run(t, func(t *testing.T) kv.KV {
		n++
		cfg := cluster.Config()
		cfg.Prefix = fmt.Sprintf("/%d/", n)
		return open(t, cfg)
	})
	waitFor(t, func() bool { return acked.Load() > after+20 })
	close(stop)
	writer.Wait()
	page, err := s.List(t.Context(), "n/", kv.ListOptions{})
	if err != nil || int64(len(page.Entries)) < acked.Load() {
		t.Fatalf("%d writes were acknowledged, %d are there: %v", acked.Load(), len(page.Entries), err)
	}
}

// writeUntil writes keys one after the other; a write whose fate is unknown
// is repeated, which is safe as it is the same.
func writeUntil(t *testing.T, stop chan struct{}, s kv.KV, acked *atomic.Int64) {
	for i := 0; ; {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, _, err := s.Commit(ctx, kv.Txn{Ops: []kv.Op{kv.Put(fmt.Sprintf("n/%06d", i), nil)}})
		cancel()
		if err == nil {
			i++
			acked.Add(1)
		} else if !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("write %d: %v", i, err)
			return
		}
	}
}

func TestAuthenticatedUserIsConfinedToItsPrefix(t *testing.T) {
	cluster := etcdtest.NewCluster(t)
	root := open(t, cluster.Config()).Client()
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(root.UserAdd(ctx, "root", "toor"))
	must(root.UserGrantRole(ctx, "root", "root"))
	must(root.RoleAdd(ctx, "steelyard"))
	must(root.RoleGrantPermission(ctx, "steelyard", etcdkv.DefaultPrefix, clientv3.GetPrefixRangeEnd(etcdkv.DefaultPrefix), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(root.UserAdd(ctx, "steelyard", "hidden"))
	must(root.UserGrantRole(ctx, "steelyard", "steelyard"))
	must(root.AuthEnable(ctx))

	cfg := cluster.Config()
	cfg.Username, cfg.PasswordFile = "steelyard", filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(cfg.PasswordFile, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	if s, err := etcdkv.Open(cfg); err == nil {
		_, err = s.Get(ctx, "a")
		if !fault.Is(err, fault.KindUnavailable) {
			t.Fatalf("wrong password: %v", err)
		}
		s.Close()
	} else if !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("wrong password: %v", err)
	}
	write("hidden")
	s := open(t, cfg)
	kvtest.MustCommit(t, ctx, s, kv.Put("a", []byte("mine")))
	ch, err := s.Watch(ctx, "", 1)
	for range 20 { // a member that has not heard of the login yet refuses its token: unavailable is to be tried again
		if !fault.Is(err, fault.KindUnavailable) {
			break
		}
		time.Sleep(100 * time.Millisecond)
		ch, err = s.Watch(ctx, "", 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b := kvtest.Next(t, ch); b.Err != nil || string(b.Events[0].Value) != "mine" {
		t.Fatalf("watch: %+v", b)
	}
	foreign := etcdkv.New(s.Client(), etcdkv.Options{Prefix: "/foreign/"})
	if _, err := foreign.Get(ctx, "a"); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("foreign prefix: %v", err)
	}
}

func TestUnreachableClusterIsUnavailableInTime(t *testing.T) {
	s := open(t, etcdkv.Config{Endpoints: []string{"http://127.0.0.1:1"}, Options: etcdkv.Options{Timeout: 300 * time.Millisecond}})
	start := time.Now()
	if _, err := s.Get(t.Context(), "a"); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("get: %v", err)
	}
	if _, err := s.Watch(t.Context(), "", 0); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("watch: %v", err)
	}
	if _, err := s.Grant(t.Context(), time.Second); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("grant: %v", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Fatalf("it took %s to say so", d)
	}
}

func TestX13_WrongSettingsAreToldAtOnce(t *testing.T) {
	_, err := etcdkv.Open(etcdkv.Config{CAFile: "/nonexistent", CertFile: "only.crt", Username: "u"})
	f := fault.From(err)
	if f.Kind != fault.KindInvalid || len(f.Fields) < 4 {
		t.Fatalf("got %v", err)
	}
}

func open(t *testing.T, cfg etcdkv.Config) *etcdkv.Store {
	t.Helper()
	s, err := etcdkv.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(kvtest.Patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
