package hosting

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	accounts "github.com/steelyard/steelyard/agent/hosting/unix"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/protocol"
)

// system is one way to keep homes.
type system struct {
	name   string
	mkfs   []string
	mount  string
	kept   bool
	others bool   // files of others in the home count
	says   string // the problem
}

var systems = []system{
	{"ext4", []string{"-q", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota"}, "usrquota", true, false, ""},
	{"ext4", []string{"-q", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota"}, "usrquota,prjquota", true, true, ""},
	{"ext4", []string{"-q"}, "", false, false, "tune2fs -O quota"},
	{"ext4", []string{"-q", "-O", "quota"}, "", false, false, "tune2fs -O quota"}, // it counts, and limits nobody
	{"xfs", []string{"-q", "-f"}, "uquota", true, false, ""},
	{"xfs", []string{"-q", "-f"}, "uquota,pquota", true, true, ""},
	{"xfs", []string{"-q", "-f"}, "uqnoenforce", false, false, "uquota"},
	{"xfs", []string{"-q", "-f"}, "pquota", false, true, "out of which a customer can take"},
}

const writeAs = "STEELYARD_WRITE"

// TestMain also is the customer's program: it writes so many MiB to a file.
func TestMain(m *testing.M) {
	what := os.Getenv(writeAs)
	if what == "" {
		os.Exit(m.Run())
	}
	var mib int
	var path string
	if _, err := fmt.Sscanf(what, "%d %s", &mib, &path); err != nil {
		panic(err)
	}
	if err := write(path, mib); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func write(path string, mib int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	piece := []byte(strings.Repeat("steelyard", 1<<20)[:1<<20])
	for range mib {
		if _, err := f.Write(piece); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// as writes as somebody.
func as(a *part.Account, name string, mib int) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{fmt.Sprintf("%s=%d %s", writeAs, mib, filepath.Join(a.Home, name))}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The customer writes until the limit, and not over it; deletes; writes again after the limit was raised; and has a real zero (rule X12).
func TestP18_LimitsOfDiskSpaceHoldOnEachFileSystem(t *testing.T) {
	if !qemu.Inside() {
		qemu.Need(t, "mkfs.ext4", "mkfs.xfs")
		disk := qemu.NewDisk(t, "virtio", "HOMES", 400<<20)
		qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{disk}, Programs: []string{"mkfs.ext4", "mkfs.xfs", "false"}})
		return
	}
	for n, s := range systems {
		t.Run(fmt.Sprintf("%d %s %s", n, s.name, s.mount), func(t *testing.T) { try(t, s) })
	}
}

func etc(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{"passwd": "root:x:0:0::/:/bin/sh\n", "group": "root:x:0:\nwww-data:x:33:\n", "shadow": "root:*:::::::\n"} {
		must(t, os.MkdirAll("/etc", 0o755))
		must(t, os.WriteFile("/etc/"+name, []byte(text), 0o600))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func try(t *testing.T, s system) {
	const at = "/mnt"
	etc(t)
	if out, err := exec.Command("/bin/mkfs."+s.name, append(slices.Clone(s.mkfs), "/dev/vda")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, unix.Mount("/dev/vda", at, s.name, 0, s.mount))
	defer func() { must(t, unix.Unmount(at, 0)) }()
	must(t, os.Chmod(at, 0o755))
	layout := part.Layout{Homes: at + "/homes", State: at + "/state", Logs: at + "/logs", Mail: at + "/mail"}
	limits := quota.New(quota.Options{Layout: layout})
	users := accounts.New(accounts.Options{Layout: layout, Shared: []string{"/tmp"}, Homes: limits.Homes()})
	provides(t, limits, s)

	anna, bert := document("a", "anna", 6), document("b", "bert", 6)
	set := func(a *part.Account, mib ...uint64) {
		t.Helper()
		a.DiskMiB = nil
		if len(mib) > 0 {
			a.DiskMiB = &mib[0]
		}
		must(t, users.Ensure(t.Context(), a))
		must(t, limits.Ensure(t.Context(), a))
	}
	set(anna, 6)
	set(bert)
	unchanged(t, func() { set(anna, 6); set(bert) })
	if !s.kept {
		must(t, limits.Ensure(t.Context(), anna))
		return
	}
	must(t, as(anna, "htdocs/small", 4))
	full(t, as(anna, "private/large", 10))
	must(t, as(bert, "private/large", 10)) // another one is not concerned
	must(t, os.Remove(anna.Home+"/private/large"))
	must(t, as(anna, "private/fits", 1))
	set(anna, 20)
	must(t, as(anna, "private/large", 10)) // at once
	set(anna)
	must(t, as(anna, "private/more", 30))
	set(anna, 0)
	full(t, as(anna, "private/zero", 1))
	must(t, os.RemoveAll(anna.Home+"/private/zero")) // ext4 lets him make an empty file, XFS does not
	for _, name := range []string{"private/more", "private/large", "htdocs/small"} {
		must(t, os.Remove(anna.Home+"/"+name))
	}
	full(t, as(anna, "private/zero", 1)) // also with nothing written before
	set(anna, 5)
	counts(t, s, anna)

	anna.State = protocol.HostedGone
	for _, p := range []part.Part{limits, users} {
		if left, err := p.Remove(t.Context(), anna); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
	}
	// Whoever gets the number later has no limit from before.
	must(t, os.RemoveAll(layout.State))
	must(t, os.RemoveAll(layout.Homes))
	etc(t)
	next := document("c", "carl", 0)
	next.DiskMiB = nil
	must(t, accounts.New(accounts.Options{Layout: layout, Homes: limits.Homes()}).Ensure(t.Context(), next))
	if next.UID != anna.UID {
		t.Fatalf("the number is %d", next.UID)
	}
	must(t, as(next, "private/large", 30))
}

func document(id, user string, mib uint64) *part.Account {
	return &part.Account{HostedAccount: protocol.HostedAccount{ID: id, Version: 1, State: protocol.HostedPresent, User: user, DiskMiB: &mib}}
}

func provides(t *testing.T, p *quota.Part, s system) {
	t.Helper()
	got := p.Provide(t.Context())
	if got.Switches["disk_quota"] != s.kept || !strings.Contains(got.Components[0].Problem, s.says) || (s.kept && got.Components[0].Problem != "") {
		t.Errorf("it provides %+v", got)
	}
	t.Logf("%+v", got.Components)
}

// full expects the refusal of a full quota: a project on XFS says that the disk is full.
func full(t *testing.T, err error) {
	t.Helper()
	if err == nil || (!strings.Contains(err.Error(), unix.EDQUOT.Error()) && !strings.Contains(err.Error(), unix.ENOSPC.Error())) {
		t.Errorf("over the limit: %v", err)
	}
}

func unchanged(t *testing.T, f func()) {
	t.Helper()
	stop := file.OnStep(func(what string) { t.Error("done again:", what) })
	defer stop()
	f()
}

// counts: files of others count where the project is limited, and nowhere else (rule C20: mail lies elsewhere and never counts).
func counts(t *testing.T, s system, a *part.Account) {
	t.Helper()
	must(t, os.Chmod(a.Home+"/private", 0o777))
	other := *a
	other.UID, other.GID = 29999, 29999
	err := as(&other, "private/of-another", 8)
	if (err != nil) != s.others {
		t.Errorf("8 MiB of another in the home, of 5: %v", err)
	}
	must(t, os.Remove(a.Home+"/private/of-another"))
	must(t, os.Mkdir("/mnt/elsewhere", 0o755))
	must(t, os.Chown("/mnt/elsewhere", a.UID, a.GID))
	elsewhere := *a
	elsewhere.Home = "/mnt/elsewhere"
	full(t, as(&elsewhere, "file", 8)) // his own files count wherever they are
	must(t, os.RemoveAll("/mnt/elsewhere"))
}
