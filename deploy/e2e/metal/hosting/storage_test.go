package hosting

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/meter/storage"
	"github.com/steelyard/steelyard/protocol"
)

// figures are what is told of an account's space, and by whom.
type figures struct {
	protocol.Stored
	deleted uint64 // what the node tells as deleted and held open
	kernel  uint64 // what the kernel counts for the account's user
	roots   uint64 // what lies in the home and is root's: it is measured, and in nobody's quota
}

// measure has the account measured as on a node, and asks the kernel.
func measure(t *testing.T, l part.Layout, limits *quota.Part, a *part.Account, device string) (f figures) {
	t.Helper()
	unix.Sync() // XFS counts when it writes
	ctx, end := context.WithCancel(t.Context())
	defer end()
	told := 0
	begun := time.Now().Unix()
	storage.New(storage.Options{
		Layout: l, Databases: "/mysql", Used: limits.Used, Logger: slog.New(slog.DiscardHandler),
		Accounts: func() []storage.Account {
			return []storage.Account{{ID: a.ID, User: a.User, Domains: []string{a.User + ".example"}, Limit: storage.NoLimit}}
		},
		Stored:  func(_ string, s protocol.Stored, _ bool) { f.Stored = s; told++ },
		Deleted: func(b uint64) { f.deleted = b; end() }, // the last that is told of a look
	}).Run(ctx)
	if at := int64(f.At); told != 1 || at < begun || at > time.Now().Unix() {
		t.Errorf("it was told %d times, measured at %d; asked at %d", told, at, begun)
	}
	f.kernel = counted(t, device, a.UID)
	must(t, filepath.WalkDir(a.Home, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if st, ok := info.Sys().(*syscall.Stat_t); err == nil && ok && st.Uid == 0 {
			f.roots += uint64(st.Blocks) * 512
		}
		return err
	}))
	return f
}

// counted is the kernel's own word, asked without the part that sets limits (quotactl(2), Q_GETQUOTA).
func counted(t *testing.T, device string, uid int) uint64 {
	t.Helper()
	const get, ofUser = 0x800007, 0
	var q struct{ hard, soft, now, inodesHard, inodesSoft, inodes, blockTime, inodeTime, valid uint64 } // struct dqblk
	name, err := unix.BytePtrFromString(device)
	must(t, err)
	if _, _, bad := unix.Syscall6(unix.SYS_QUOTACTL, get<<8|ofUser, uintptr(unsafe.Pointer(name)), uintptr(uid), uintptr(unsafe.Pointer(&q)), 0, 0); bad != 0 {
		t.Fatalf("quotactl of %d on %s: %v", uid, device, bad)
	}
	return q.now
}

// stored is rules C20 and U6 where the kernel counts: classes are disjoint, those of the home are what the kernel says, and what was deleted and is held open is told until it is released.
func (c session) stored(t *testing.T, l part.Layout, limits *quota.Part, a *part.Account, device string) {
	t.Helper()
	for _, name := range []string{l.Mail + "/anna.example/info/Maildir/cur/1", "/mysql/anna_shop/t.ibd"} {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, make([]byte, 64<<10), 0o644))
		defer func() { must(t, os.Remove(name)) }()
	}
	c.put(t, "private/notes", 1, true)
	before := measure(t, l, limits, a, device)
	if before.Home+before.WWW != before.kernel+before.roots || before.deleted != 0 {
		t.Errorf("the kernel does not count what is measured: %+v", before)
	}
	if before.Home < 1<<20 || before.WWW < 11<<20 || before.Home+before.WWW > 13<<20 || before.Mail < 64<<10 || before.Databases < 64<<10 || before.Mail+before.Databases > 256<<10 {
		t.Errorf("12 MiB by FTP and 64 KiB each of mail and databases are %+v", before)
	}

	held, err := os.Open(a.Home + "/htdocs/large.zip")
	must(t, err)
	c.do(t, 250, "DELE htdocs/large.zip")
	open := measure(t, l, limits, a, device)
	if open.kernel != before.kernel || open.WWW+9<<20 != before.WWW || open.Home+open.WWW+open.deleted != open.kernel {
		t.Errorf("a file that is deleted and held open is lost: %+v, before %+v", open, before)
	}
	c.put(t, "htdocs/large.zip", 9, false) // it still takes its space
	must(t, held.Close())
	closed := measure(t, l, limits, a, device)
	if closed.deleted != 0 || closed.kernel+9<<20 != before.kernel || closed.Home+closed.WWW != closed.kernel+closed.roots {
		t.Errorf("a file that was released is counted: %+v, before %+v", closed, before)
	}
	c.do(t, 250, "DELE private/notes")
	c.put(t, "htdocs/large.zip", 9, true)
}
