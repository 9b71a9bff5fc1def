package embedded

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Limits of the embedded etcd: room for many changes in one transaction.
var Limits = kv.Limits{MaxOps: 1024, MaxBytes: kv.DefaultLimits.MaxBytes}

// Options of a Server.
type Options struct {
	Dir    string       // data directory; made with mode 0700
	Logger *slog.Logger // etcd's warnings and errors; nil is slog.Default
	// Socket, when set, is the path of a unix socket for etcdctl. Whoever may
	// open it may do everything, so its directory must be ours alone (0700).
	Socket string
	// Reserve is the free space, in bytes, below which writes are refused; 0 is
	// 256 MiB (four log segments of etcd).
	Reserve int64
	// Test trades durability for speed: no fsync, small log segments, an
	// election in 100 ms. Only for tests.
	Test bool
}

// SmallLogs makes etcd allocate log segments of 1 MiB instead of 64 from now on.
// It is one variable of the whole process, so it is set once; only for tests.
var SmallLogs = sync.OnceFunc(func() { wal.SegmentSizeBytes = 1 << 20 })

// Server is a running etcd.
type Server struct {
	opt    Options
	etcd   *embed.Etcd
	client *clientv3.Client
	lock   *os.File
	disk   *disk
	halt   *halt

	errs chan error
	stop chan struct{}
	wait sync.WaitGroup
	once sync.Once
}

// Open starts etcd and returns when it takes requests, which takes 0.3 s to
// some seconds, or fails when ctx ends. Faults: unavailable when the directory
// is in use, cannot be written or its file system is full.
func Open(ctx context.Context, opt Options) (*Server, error) {
	opt = opt.withDefaults()
	s := &Server{opt: opt, errs: make(chan error, 1), stop: make(chan struct{}), halt: newHalt()}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	cfg, err := s.config()
	if err == nil {
		err = s.start(ctx, cfg)
	}
	if err != nil {
		s.lock.Close()
		return nil, err
	}
	s.client = v3client.New(s.etcd.Server)
	s.wait.Go(s.watchOver)
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Reserve == 0 {
		o.Reserve = 256 << 20
	}
	if o.Test {
		SmallLogs()
	}
	return o
}

// prepare makes and locks the directory and looks for room.
func (s *Server) prepare() error {
	dir := s.opt.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Unavailable("the data directory %s cannot be made: %w", dir, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fault.Unavailable("the data directory %s is not ours: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Unavailable("the data directory %s cannot be written: %w", dir, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return fault.Unavailable("the data directory %s is in use by another process; stop it or choose another --data directory", dir)
	}
	s.lock, s.disk = lock, newDisk(dir, s.opt.Reserve)
	// etcd allocates its next log segment at once and would fail later, in the
	// middle of its work, if that had failed.
	if free, err := s.disk.free(); err == nil && free < wal.SegmentSizeBytes+(1<<20) {
		lock.Close()
		return fault.Unavailable("the file system of %s has %d MiB left; etcd needs %d MiB to start, so free some space", dir, free>>20, wal.SegmentSizeBytes>>20+1)
	}
	s.disk.look()
	return nil
}

func (s *Server) config() (*embed.Config, error) {
	cfg := embed.NewConfig()
	cfg.Name = "steelyard"
	cfg.Dir = filepath.Join(s.opt.Dir, "etcd")
	cfg.ListenPeerUrls, cfg.ListenClientUrls = nil, nil
	if s.opt.Socket != "" {
		u, err := url.Parse("unix://" + s.opt.Socket)
		if err != nil {
			return nil, fault.Invalid("the socket path %q is not valid: %w", s.opt.Socket, err)
		}
		cfg.ListenClientUrls = []url.URL{*u}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.EnableGRPCGateway = false
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZap(s.opt.Logger, s.halt))
	// History serves watches that were away and lists in pages; both need
	// seconds. At 1,000 changes of 2 KiB a second, five minutes are 600 MB.
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "5m"
	cfg.QuotaBackendBytes = 8 << 30
	cfg.BootstrapDefragThresholdMegabytes = 512
	cfg.MaxTxnOps = uint(Limits.MaxOps)
	if s.opt.Test {
		cfg.UnsafeNoFsync, cfg.TickMs, cfg.ElectionMs = true, 10, 100
	}
	return cfg, nil
}

// start runs etcd up to its first election. Opening a broken database halts
// the goroutine that does it, hence one of its own.
func (s *Server) start(ctx context.Context, cfg *embed.Config) error {
	type started struct {
		e   *embed.Etcd
		err error
	}
	up := make(chan started, 1)
	go func() {
		e, err := embed.StartEtcd(cfg)
		up <- started{e, err}
	}()
	select {
	case r := <-up:
		if r.err != nil {
			return fault.Unavailable("etcd does not start in %s: %w", s.opt.Dir, r.err)
		}
		s.etcd = r.e
		return s.ready(ctx)
	case err := <-s.halt.failed:
		return fault.Unavailable("etcd does not start in %s; repair the disk or restore a backup: %w", s.opt.Dir, err)
	}
}

func (s *Server) ready(ctx context.Context) error {
	var err error
	select {
	case <-s.etcd.Server.ReadyNotify():
		return nil
	case err = <-s.etcd.Err():
	case err = <-s.halt.failed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return errors.Join(fault.Unavailable("etcd in %s did not become ready: %w", s.opt.Dir, err), s.closeEtcd())
}

// watchOver looks at the disk each second and passes on the end of etcd.
func (s *Server) watchOver() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.disk.tell(s.opt.Logger, s.disk.look())
		case err := <-s.halt.failed:
			s.opt.Logger.Error("etcd has halted", "err", err)
			s.errs <- fault.Unavailable("etcd in %s has halted; free space or repair the disk, then restart: %w", s.opt.Dir, err)
			return
		case err := <-s.etcd.Err():
			s.errs <- fault.Unavailable("etcd in %s has ended: %w", s.opt.Dir, err)
			return
		case <-s.stop:
			return
		}
	}
}

// Client is an in-process client. Its Defragment is not usable; see
// [Server.Defragment].
func (s *Server) Client() *clientv3.Client { return s.client }

// KV is the contract over Client, with our limits and the guard of the disk.
func (s *Server) KV() *etcdkv.Store {
	return etcdkv.New(s.client, etcdkv.Options{Limits: Limits, Guard: s.guard})
}

func (s *Server) guard(write bool) error {
	if s.halt.halted.Load() {
		return fault.Unavailable("etcd in %s has halted; free space or repair the disk, then restart", s.opt.Dir)
	}
	if write {
		return s.disk.full()
	}
	return nil
}

// Err gives the error that ended etcd, once. Reads from memory may go on; the
// process must be restarted to write again.
func (s *Server) Err() <-chan error { return s.errs }

// Close stops etcd and releases the directory. A halted etcd cannot be stopped;
// then Close says so after five seconds and the process should end.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		s.wait.Wait()
		s.client.Close()
		if err = s.closeEtcd(); err == nil {
			err = s.lock.Close()
		}
	})
	return err
}

func (s *Server) closeEtcd() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.etcd.Close()
	}()
	select {
	case <-done:
		return nil
	case <-s.halt.begun:
	}
	select {
	case <-done:
		return nil
	case <-time.After(5 * time.Second):
		return fault.Unavailable("etcd in %s has halted and cannot be stopped; end the process", s.opt.Dir)
	}
}
