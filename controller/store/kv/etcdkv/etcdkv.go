package etcdkv

import (
	"context"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// DefaultPrefix is where all keys live.
const DefaultPrefix = "/steelyard/"

// DefaultTimeout bounds a call whose context has no nearer deadline.
const DefaultTimeout = 10 * time.Second

// Options of a Store. The zero value is ready.
type Options struct {
	Prefix  string        // "" is DefaultPrefix
	Limits  kv.Limits     // zero is kv.DefaultLimits, those of an unchanged etcd
	Timeout time.Duration // of one call; 0 is DefaultTimeout
	// Guard, when set, is asked before each call; its error is returned instead.
	// The embedded etcd refuses writes on a full disk so, while reads go on.
	Guard func(write bool) error
	// Silence after which a watch is given up; 0 is three times kv.ProgressEvery.
	Silence time.Duration
}

// Store is a kv.KV over an etcd client.
type Store struct {
	c     *clientv3.Client
	opt   Options
	owned bool // Close closes the client
}

var _ kv.KV = (*Store)(nil)

// New wraps c, which stays the caller's to close.
func New(c *clientv3.Client, opt Options) *Store {
	if opt.Prefix == "" {
		opt.Prefix = DefaultPrefix
	}
	if opt.Limits == (kv.Limits{}) {
		opt.Limits = kv.DefaultLimits
	}
	if opt.Timeout == 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Silence == 0 {
		opt.Silence = 3 * kv.ProgressEvery
	}
	if opt.Guard == nil {
		opt.Guard = func(bool) error { return nil }
	}
	return &Store{c: c, opt: opt}
}

// Client is the etcd client underneath, for maintenance.
func (s *Store) Client() *clientv3.Client { return s.c }

// Limits implements kv.KV.
func (s *Store) Limits() kv.Limits { return s.opt.Limits }

// Get implements kv.KV.
func (s *Store) Get(ctx context.Context, key string) (kv.Entry, error) {
	if err := s.opt.Guard(false); err != nil {
		return kv.Entry{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	r, err := s.c.Get(ctx, s.opt.Prefix+key)
	if err != nil {
		return kv.Entry{}, explain("read "+key, err)
	}
	return s.one(key, r), nil
}

// Read implements kv.KV.
func (s *Store) Read(ctx context.Context, keys []string) ([]kv.Entry, int64, error) {
	if err := s.opt.Limits.CheckRead(keys); err != nil {
		return nil, 0, err
	}
	if err := s.opt.Guard(false); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	ops := make([]clientv3.Op, len(keys))
	for i, k := range keys {
		ops[i] = clientv3.OpGet(s.opt.Prefix + k)
	}
	r, err := s.c.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, 0, explain("read several keys", err)
	}
	out := make([]kv.Entry, len(keys))
	for i, k := range keys {
		out[i] = s.one(k, (*clientv3.GetResponse)(r.Responses[i].GetResponseRange()))
	}
	return out, r.Header.Revision, nil
}

// List implements kv.KV.
func (s *Store) List(ctx context.Context, prefix string, opt kv.ListOptions) (kv.Page, error) {
	if err := s.opt.Guard(false); err != nil {
		return kv.Page{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	full := s.opt.Prefix + prefix
	opts := []clientv3.OpOption{
		clientv3.WithRange(clientv3.GetPrefixRangeEnd(full)),
		clientv3.WithLimit(int64(opt.Limit)),
		clientv3.WithRev(opt.Rev),
	}
	if opt.KeysOnly {
		opts = append(opts, clientv3.WithKeysOnly())
	}
	r, err := s.c.Get(ctx, max(full, s.opt.Prefix+opt.From), opts...)
	if err != nil {
		return kv.Page{}, explain("list "+prefix, err)
	}
	page := kv.Page{Rev: opt.Rev, More: r.More, Entries: make([]kv.Entry, len(r.Kvs))}
	if page.Rev == 0 {
		page.Rev = r.Header.Revision
	}
	for i, e := range r.Kvs {
		page.Entries[i] = s.entry(e.Key, e.Value, e.ModRevision, e.CreateRevision, e.Lease)
	}
	if page.More {
		page.Next = page.Entries[len(page.Entries)-1].Key + "\x00"
	}
	return page, nil
}

// Commit implements kv.KV.
func (s *Store) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	if err := s.opt.Limits.Check(t); err != nil {
		return 0, false, err
	}
	if err := s.opt.Guard(len(t.Ops) > 0); err != nil {
		return 0, false, err
	}
	if err := ctx.Err(); err != nil { // an etcd in this process may still do it
		return 0, false, explain("commit a change", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	r, err := s.c.Txn(ctx).If(s.compares(t.Compares)...).Then(s.ops(t.Ops)...).Commit()
	if err != nil {
		return 0, false, explain("commit a change", err)
	}
	return r.Header.Revision, r.Succeeded, nil
}

func (s *Store) compares(cs []kv.Compare) []clientv3.Cmp {
	out := make([]clientv3.Cmp, len(cs))
	for i, c := range cs {
		if c.Target == kv.CreateRev {
			out[i] = clientv3.Compare(clientv3.CreateRevision(s.opt.Prefix+c.Key), "=", c.Rev)
		} else {
			out[i] = clientv3.Compare(clientv3.ModRevision(s.opt.Prefix+c.Key), "=", c.Rev)
		}
	}
	return out
}

func (s *Store) ops(os []kv.Op) []clientv3.Op {
	out := make([]clientv3.Op, len(os))
	for i, o := range os {
		key := s.opt.Prefix + o.Key
		switch {
		case o.Delete:
			out[i] = clientv3.OpDelete(key)
		case o.Lease != 0:
			out[i] = clientv3.OpPut(key, string(o.Value), clientv3.WithLease(clientv3.LeaseID(o.Lease)))
		default:
			out[i] = clientv3.OpPut(key, string(o.Value))
		}
	}
	return out
}

func (s *Store) one(key string, r *clientv3.GetResponse) kv.Entry {
	if len(r.Kvs) == 0 {
		return kv.Entry{Key: key}
	}
	e := r.Kvs[0]
	return kv.Entry{Key: key, Value: e.Value, ModRev: e.ModRevision, CreateRev: e.CreateRevision, Lease: e.Lease}
}

func (s *Store) entry(key, value []byte, mod, create, lease int64) kv.Entry {
	return kv.Entry{Key: s.strip(key), Value: value, ModRev: mod, CreateRev: create, Lease: lease}
}

func (s *Store) strip(key []byte) string {
	return strings.TrimPrefix(string(key), s.opt.Prefix)
}

// Close implements kv.KV. A client given to New stays open.
func (s *Store) Close() error {
	if s.owned {
		return s.c.Close()
	}
	return nil
}
