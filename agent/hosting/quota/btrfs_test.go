package quota

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// btrfs is a new file system on a loop device, in the test's own mount namespace.
func btrfs(t *testing.T, quota bool) part.Layout {
	t.Helper()
	hostingtest.Need(t, "mkfs.btrfs", "btrfs", "mount")
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 256<<20))
	do(t, "mkfs.btrfs", "-q", image)
	at := filepath.Join(dir, "at")
	must(t, os.Mkdir(at, 0o711))
	must(t, os.Chmod(dir, 0o711))
	must(t, os.Chmod(filepath.Dir(dir), 0o711))
	do(t, "mount", "-o", "loop,commit=1", image, at) // what is removed goes with a commit
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	if quota {
		do(t, "btrfs", "quota", "enable", at)
	}
	must(t, os.Mkdir(at+"/homes", 0o711))
	return part.Layout{Homes: at + "/homes"}
}

func do(t *testing.T, program ...string) string {
	t.Helper()
	out, err := exec.Command(program[0], program[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", program, err, out)
	}
	return string(out)
}

const uid = 29431 // nobody has it

func account(l part.Layout, mib ...uint64) *part.Account {
	a := &part.Account{HostedAccount: protocol.HostedAccount{ID: "a", User: "anna", State: protocol.HostedPresent}, UID: uid, GID: uid, Home: l.Home("anna")}
	if len(mib) > 0 {
		a.DiskMiB = &mib[0]
	}
	return a
}

// home is what the part "user" makes.
func home(t *testing.T, p *Part, a *part.Account) {
	t.Helper()
	must(t, p.Homes().Make(a.Home, file.Owner{GID: a.GID, Mode: 0o751}))
	_, err := file.Dir(filepath.Join(a.Home, "private"), file.Owner{UID: a.UID, GID: a.GID, Mode: 0o700})
	must(t, err)
}

// fill writes as the customer.
func fill(t *testing.T, a *part.Account, name, mib string) error {
	t.Helper()
	out, err := hostingtest.As(t, a.UID, a.GID, "dd", "if=/dev/zero", "of="+a.Home+"/private/"+name, "bs=1M", "count="+mib, "conv=fsync")
	if err != nil {
		return errors.New(out)
	}
	return nil
}

func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
}

func TestP18_OnBtrfsALimitStopsGrowthAndDeletingWorks(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	l := btrfs(t, true)
	p := New(Options{Layout: l})
	if got := p.Provide(t.Context()); !got.Switches["disk_quota"] || got.Components[0].Problem != "" {
		t.Errorf("it provides %+v", got)
	}
	a := account(l, 5)
	home(t, p, a)
	must(t, p.Ensure(t.Context(), a))
	file.OnStep(func(what string) { t.Error("done again:", what) })
	home(t, p, a)
	must(t, p.Ensure(t.Context(), a))
	file.OnStep(func(string) {})
	must(t, fill(t, a, "small", "2"))
	refused(t, fill(t, a, "large", "10"), "quota")
	must(t, os.Remove(a.Home+"/private/large"))
	must(t, p.Ensure(t.Context(), account(l, 20)))
	must(t, fill(t, a, "large", "10"))
	must(t, p.Ensure(t.Context(), account(l)))
	must(t, fill(t, a, "more", "30"))
	// A real zero is no "no limit" (rule X12).
	must(t, p.Ensure(t.Context(), account(l, 0)))
	refused(t, fill(t, a, "zero", "1"), "quota")
	for _, name := range []string{"small", "large", "more"} {
		if out, err := hostingtest.As(t, a.UID, a.GID, "rm", a.Home+"/private/"+name); err != nil {
			t.Error("deleting over the limit:", out)
		}
	}
	a.UID = 0
	if err := p.Ensure(t.Context(), a); err == nil {
		t.Error("an account without a user was limited")
	}
	a.UID = uid
	must(t, p.Homes().Remove(t.Context(), a.Home))
	if left, err := p.Remove(t.Context(), a); len(left) > 0 || err != nil {
		t.Error(left, err)
	}
	do(t, "btrfs", "subvolume", "sync", l.Homes)
	if out := do(t, "btrfs", "qgroup", "show", "-r", l.Homes); strings.Count(out, "0/") != 1 {
		t.Errorf("groups are left:\n%s", out)
	}
	must(t, p.Homes().Remove(t.Context(), a.Home))
}

func TestOnBtrfsWhatNoLimitHoldsForIsToldAndRemoved(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	l := btrfs(t, true)
	p := New(Options{Layout: l})
	a := account(l, 5)
	home(t, p, a)
	if out, err := hostingtest.As(t, a.UID, a.GID, "btrfs", "subvolume", "create", a.Home+"/private/own"); err != nil {
		t.Fatal(out, err)
	}
	refused(t, p.Ensure(t.Context(), a), "1 subvolumes", "delete")
	must(t, p.Homes().Remove(t.Context(), a.Home))
	if _, err := os.Lstat(a.Home); err == nil {
		t.Error("the home is still there")
	}
	must(t, os.Mkdir(a.Home, 0o755))
	refused(t, p.Ensure(t.Context(), a), "no subvolume")
	must(t, p.Homes().Remove(t.Context(), a.Home))
	if _, err := os.Lstat(a.Home); err == nil {
		t.Error("the directory is still there")
	}
}

// A limit that is right costs a few calls of the kernel.
func TestAnUnchangedLimitIsOnlyLookedAt(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	l := btrfs(t, true)
	p := New(Options{Layout: l})
	a := account(l, 5)
	home(t, p, a)
	must(t, p.Ensure(t.Context(), a))
	stop := file.OnStep(func(what string) { t.Error("done again:", what) })
	defer stop()
	const times = 2000
	var before, after unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &before))
	for range times {
		must(t, p.Ensure(t.Context(), a))
	}
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &after))
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	t.Logf("%d µs of processor time each; 300 are allowed", used/times/1000)
}

// acts on one account, in this order; each is killed after each of its steps and done again.
var acts = []func(t *testing.T, p *Part, l part.Layout){
	func(t *testing.T, p *Part, l part.Layout) {
		home(t, p, account(l, 5))
		must(t, p.Ensure(t.Context(), account(l, 5)))
	},
	func(t *testing.T, p *Part, l part.Layout) { must(t, p.Ensure(t.Context(), account(l))) },
	func(t *testing.T, p *Part, l part.Layout) { must(t, p.Ensure(t.Context(), account(l, 0))) },
	func(t *testing.T, p *Part, l part.Layout) {
		a := account(l)
		_, err := p.Remove(t.Context(), a)
		must(t, err)
		must(t, p.Homes().Remove(t.Context(), a.Home))
	},
}

func TestAKillAtAnyStepIsMadeGoodByARepetition(t *testing.T) {
	if at := os.Getenv("STEELYARD_DIE_AT"); at != "" {
		var left, act int
		if _, err := fmt.Sscan(at, &left, &act); err != nil {
			t.Fatal(err)
		}
		file.OnStep(func(string) {
			if left--; left < 0 {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				select {} // it comes
			}
		})
		l := part.Layout{Homes: os.Getenv("STEELYARD_HOMES")}
		acts[act](t, New(Options{Layout: l}), l)
		return
	}
	if hostingtest.Alone(t) {
		return
	}
	l := btrfs(t, true)
	state := func() string {
		f, err := os.Open(l.Home("anna"))
		if err != nil {
			return "none"
		}
		defer f.Close()
		limit, err := groups{}.limit(f, uid)
		return fmt.Sprint(hostingtest.Picture(t, l.Homes), limit, err)
	}
	crashes := 0
	for n, act := range acts {
		begin := func() {
			must(t, New(Options{Layout: l}).Homes().Remove(t.Context(), l.Home("anna")))
			for _, before := range acts[:n] {
				before(t, New(Options{Layout: l}), l)
			}
		}
		begin()
		act(t, New(Options{Layout: l}), l)
		want := state()
		for at := 0; at < 20; at++ {
			begin()
			cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("STEELYARD_DIE_AT=%d %d", at, n), "STEELYARD_HOMES="+l.Homes)
			if cmd.Run() == nil {
				break // no such step any more
			}
			crashes++
			act(t, New(Options{Layout: l}), l)
			if got := state(); got != want {
				t.Fatalf("act %d after a crash at step %d:\n%s\nwant\n%s", n, at, got, want)
			}
		}
	}
	if crashes < 5 {
		t.Errorf("only %d crashes", crashes)
	}
}

func TestP9_WhereNothingKeepsLimitsThatIsToldAndNothingFails(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	off := btrfs(t, false)
	none := part.Layout{Homes: "/run/not/there"} // a tmpfs
	for words, l := range map[string]part.Layout{"btrfs quota enable": off, "keeps no limits": none} {
		p := New(Options{Layout: l})
		got := p.Provide(t.Context())
		if kept, told := got.Switches["disk_quota"]; kept || !told {
			t.Errorf("it provides %+v", got)
		}
		refused(t, errors.New(got.Components[0].Problem), words)
		must(t, os.MkdirAll(l.Homes, 0o755))
		a := account(l, 5)
		home(t, p, a)
		must(t, p.Ensure(t.Context(), a))
		must(t, fill(t, a, "large", "10"))
		must(t, p.Homes().Remove(t.Context(), a.Home))
		must(t, p.Homes().Remove(t.Context(), a.Home))
		if _, err := p.Remove(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
}

func TestALimitThatNoDiskHasIsRefused(t *testing.T) {
	p := New(Options{Layout: part.Layout{Homes: t.TempDir()}})
	a := account(p.o.Layout, 1<<60)
	err := p.Ensure(t.Context(), a)
	if !fault.Is(err, fault.KindInvalid) {
		t.Error(err)
	}
	refused(t, err, "disk_mib")
}
