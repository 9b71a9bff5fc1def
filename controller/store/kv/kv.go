package kv

import (
	"context"
	"errors"
	"time"
)

// ProgressEvery is the longest time between two batches of a healthy [KV.Watch].
const ProgressEvery = 5 * time.Second

// ErrCompacted says that the asked revision is no longer kept: list again and
// watch from the revision of that list. Test with errors.Is.
var ErrCompacted = errors.New("the revision has been compacted")

// Entry is one key as it is stored.
type Entry struct {
	Key       string
	Value     []byte // shared; never change it
	ModRev    int64  // revision of the last write; 0 means that the key does not exist
	CreateRev int64  // revision at which the key came into being
	Lease     int64  // the key goes when this lease goes; 0 is none
}

// Exists reports whether the key was there.
func (e Entry) Exists() bool { return e.ModRev != 0 }

// ListOptions choose a page. The zero value is everything, as it is now.
type ListOptions struct {
	From     string // first key of the page; "" is the start of the prefix
	Limit    int    // most entries of the page; 0 is no limit
	Rev      int64  // as of this revision; 0 is now. ErrCompacted when it is no longer kept
	KeysOnly bool   // leave out the values
}

// Page is a part of a list, sorted by key.
type Page struct {
	Entries []Entry
	Rev     int64  // revision of the list; pass it to get the next page of the same list
	More    bool   // there are entries after this page
	Next    string // ListOptions.From of the next page; set when More
}

// Target is what a Compare looks at.
type Target uint8

// Targets.
const (
	ModRev    Target = iota // revision of the last write; 0 demands that the key does not exist
	CreateRev               // revision of creation: survives updates, not a deletion
)

// Compare is a condition of a Commit: the key's revision is exactly Rev.
type Compare struct {
	Key    string
	Target Target
	Rev    int64
}

// Holds reports whether e, the present state of the key, fulfils c.
func (c Compare) Holds(e Entry) bool {
	if c.Target == CreateRev {
		return e.CreateRev == c.Rev
	}
	return e.ModRev == c.Rev
}

// Op is one write of a Commit: a put, or a deletion when Delete is set.
// Deleting what does not exist is no error.
type Op struct {
	Key    string
	Value  []byte
	Lease  int64 // 0 is none
	Delete bool
}

// Put makes a write.
func Put(key string, value []byte) Op { return Op{Key: key, Value: value} }

// Delete makes a deletion.
func Delete(key string) Op { return Op{Key: key, Delete: true} }

// Txn is what Commit does at once: if every Compare holds, all Ops. A key may
// appear in one Op only.
type Txn struct {
	Compares []Compare
	Ops      []Op
}

// Limits of one request.
type Limits struct {
	MaxOps   int // most compares, and most ops, of one Txn; also most keys of one Read
	MaxBytes int // most bytes of one Txn, keys and values and overhead
}

// DefaultLimits are those of an etcd whose operator changed nothing.
var DefaultLimits = Limits{MaxOps: 128, MaxBytes: 1536 << 10}

// Event is one change of a key. For a deletion Entry has only Key and ModRev
// (the revision of the deletion).
type Event struct {
	Entry
	Deleted bool
}

// Batch is what a watch delivers. All events up to revision Rev have been
// delivered with it. A batch with Err is the last one of its watch.
type Batch struct {
	Events []Event
	Rev    int64
	Err    error
}

// Lease is a promise to the backend to stay alive. It is kept alive from Grant
// until Revoke, until the context given to Grant ends, or until it is lost.
type Lease interface {
	ID() int64
	// Done is closed when the lease is over, for whatever reason. A holder that
	// cannot reach the backend is told when the time-to-live has passed.
	Done() <-chan struct{}
	// Revoke ends the lease now and deletes its keys.
	Revoke(ctx context.Context) error
}

// KV is a backend. All methods may be called at the same time.
type KV interface {
	// Get reads one key; Exists tells whether it was there.
	Get(ctx context.Context, key string) (Entry, error)
	// Read reads up to Limits.MaxOps keys as of one revision, in the order
	// asked. A missing key gives an Entry with only its Key.
	Read(ctx context.Context, keys []string) ([]Entry, int64, error)
	// List reads a page of the keys that start with prefix.
	List(ctx context.Context, prefix string, opt ListOptions) (Page, error)
	// Commit does t if all its compares hold; ok tells. rev is the revision of
	// the commit, or, when not ok, one at which a compare did not hold. A Txn
	// without ops changes nothing and costs no write.
	Commit(ctx context.Context, t Txn) (rev int64, ok bool, err error)
	// Watch delivers changes of keys that start with prefix, from revision
	// fromRev (0 is from now) on, until ctx ends; then the channel is closed.
	Watch(ctx context.Context, prefix string, fromRev int64) (<-chan Batch, error)
	// Grant makes a lease and keeps it alive. ttl is rounded up to whole
	// seconds; backends may lengthen it.
	Grant(ctx context.Context, ttl time.Duration) (Lease, error)
	// Limits of this backend.
	Limits() Limits
	// Close ends watches and leases' keep-alive (it revokes nothing).
	Close() error
}
