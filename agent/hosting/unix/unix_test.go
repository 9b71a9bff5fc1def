package unix

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func TestAUserIsMadeWithHisHomeAndLeftAloneWhileNothingChanges(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	anna, bert := document("a1", "anna"), document("b1", "bert")
	ensure(t, p, anna)
	ensure(t, p, bert)
	if anna.UID != FirstID || anna.GID != FirstID || bert.UID != FirstID+1 || anna.Home != "/srv/hosting/anna" {
		t.Errorf("anna is %d:%d at %s, bert %d", anna.UID, anna.GID, anna.Home, bert.UID)
	}
	out, err := exec.Command("id", "anna").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "uid=20000(anna) gid=20000(anna) groups=20000(anna)" {
		t.Errorf("id says %s: %v", out, err)
	}
	web := webGroup(t)
	owner(t, "/srv/hosting", 0, 0, 0o711)
	owner(t, anna.Home, 0, anna.GID, 0o751)
	owner(t, anna.Home+"/htdocs", anna.UID, web, 0o2750)
	owner(t, anna.Home+"/sub", 0, 0, 0o755)
	owner(t, anna.Home+"/private", anna.UID, anna.GID, 0o700)
	owner(t, anna.Home+"/tmp", anna.UID, anna.GID, 0o700)
	owner(t, "/etc/steelyard-hosting/users", 0, 0, 0o700)
	for _, program := range [][]string{{"pwck", "-r", "-q"}, {"grpck", "-r"}} {
		out, _ := exec.Command(program[0], program[1:]...).CombinedOutput()
		if strings.Contains(string(out), "anna") || strings.Contains(string(out), "bert") {
			t.Errorf("%s says: %s", program[0], out)
		}
	}
	before := system(t)
	file.OnStep(func(what string) { t.Error("done again:", what) })
	for _, again := range []*Part{p, node(t)} { // the second one has just started
		ensure(t, again, anna)
		ensure(t, again, bert)
		must(t, again.Settle(t.Context()))
	}
	hostingtest.Same(t, before, system(t))
}

func webGroup(t *testing.T) int {
	t.Helper()
	p := New(Options{})
	must(t, p.passwd.read())
	web, err := p.web()
	must(t, err)
	return web
}

func TestWhatSomebodyChangedIsSetBackAndLinesOfOthersAreKept(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	passwd, err := os.ReadFile("/etc/passwd")
	must(t, err)
	odd := string(passwd) + "# a remark\n\nodd:line\n"
	must(t, os.WriteFile("/etc/passwd", []byte(odd), 0o644))
	p := node(t)
	anna := document("a1", "anna")
	ensure(t, p, anna)
	if text, _ := os.ReadFile("/etc/passwd"); !strings.HasPrefix(string(text), odd) {
		t.Errorf("lines of others were changed: %s", text)
	}
	want := line(t, "passwd", "anna")
	must(t, exec.Command("usermod", "-s", "/bin/sh", "-d", "/", "anna").Run())
	must(t, exec.Command("passwd", "-d", "anna").Run())
	must(t, os.Chmod(anna.Home+"/htdocs", 0o777))
	ensure(t, p, anna)
	if got := line(t, "passwd", "anna"); got != want {
		t.Errorf("passwd says %s, want %s", got, want)
	}
	if got := line(t, "shadow", "anna"); !strings.HasPrefix(got, "anna:"+hash+":") {
		t.Errorf("the password was not set back")
	}
	owner(t, anna.Home+"/htdocs", anna.UID, webGroup(t), 0o2750)
	st, err := os.Stat("/etc/shadow")
	if err != nil || st.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read shadow: %v %v", st.Mode(), err)
	}
}

func TestX15_ANameOfSomebodyElseIsNotTaken(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	must(t, exec.Command("useradd", "carl").Run())
	must(t, exec.Command("groupadd", "friends").Run())
	must(t, os.MkdirAll("/srv/hosting/dora", 0o755))
	ensure(t, p, document("a1", "anna"))
	before := system(t)
	for user, words := range map[string][]string{
		"carl": {"/etc/passwd", "carl"}, "friends": {"/etc/group", "friends"}, "dora": {"/srv/hosting/dora"}, "mysql": {"program of the system"}, "anna": {"belongs to account a1"},
	} {
		a := document("z9", user)
		err := p.Ensure(t.Context(), a)
		if err == nil {
			t.Errorf("%s was made", user)
			continue
		}
		contains(t, err, words...)
		a.State = protocol.HostedGone
		if left, err := p.Remove(t.Context(), a); len(left) > 0 || err != nil {
			t.Error(left, err)
		}
	}
	other := document("a1", "emil")
	contains(t, p.Ensure(t.Context(), other), "never changes")
	hostingtest.Same(t, before, system(t), "/etc/.pwd.lock")
	// Somebody gives away a number that is ours.
	must(t, exec.Command("groupadd", "-o", "-g", "20000", "thief").Run())
	must(t, exec.Command("sed", "-i", "/^anna:/d", "/etc/group").Run())
	contains(t, p.Ensure(t.Context(), document("a1", "anna")), "thief", "20000")
}

func TestX15_NameAndNumberAreKeptWhileAnythingIsLeft(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	anna := document("a1", "anna")
	ensure(t, p, anna)
	mounted := anna.Home + "/private/mounted"
	must(t, os.Mkdir(mounted, 0o755))
	must(t, unix.Mount("tmpfs", mounted, "tmpfs", 0, ""))
	must(t, os.MkdirAll("/var/log/steelyard-hosting/anna", 0o750))
	gone := *anna
	gone.State = protocol.HostedGone
	for range 2 {
		left, err := p.Remove(t.Context(), &gone)
		if err != nil || len(left) != 2 || left[0].Name != "/srv/hosting/anna" || !strings.Contains(left[0].Detail, "mounted") || left[1].Name != "/var/log/steelyard-hosting/anna" {
			t.Fatalf("left: %+v, %v", left, err)
		}
		p = node(t) // the agent starts again
	}
	for _, id := range []string{"a1", "a2"} {
		if err := p.Ensure(t.Context(), document(id, "anna")); err == nil {
			t.Error("the name was given again to", id)
		}
	}
	bert := document("b1", "bert")
	ensure(t, p, bert)
	if bert.UID == anna.UID {
		t.Error("the number was given again")
	}
	if !strings.Contains(line(t, "shadow", "anna"), ":!:") {
		t.Error("she can still log in")
	}
	must(t, unix.Unmount(mounted, 0))
	must(t, os.Remove("/var/log/steelyard-hosting/anna"))
	elsewhere := gone
	elsewhere.UID, elsewhere.Kept = 0, true // another part has left something
	if known, err := node(t).Identify(&elsewhere); !known || err != nil || elsewhere.UID != anna.UID || elsewhere.Home != anna.Home {
		t.Errorf("identified as %+v: %v", elsewhere, err)
	}
	if left, err := p.Remove(t.Context(), &elsewhere); err != nil || len(left) != 1 || line(t, "passwd", "anna") == "" {
		t.Fatal("the number was given up:", left, err)
	}
	if left, err := p.Remove(t.Context(), &gone); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	again := document("a2", "anna")
	ensure(t, p, again)
	if again.UID != bert.UID+1 {
		t.Error("a number came back at once:", again.UID)
	}
}

func TestAfterRemoveNothingIsLeft(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	hostingtest.Need(t, "ipcmk")
	p := node(t)
	ensure(t, p, document("o1", "other"))
	before := system(t)
	anna := document("a1", "anna")
	ensure(t, p, anna)
	out, err := run(t, anna, `set -e
		ipcmk -M 4096 >/dev/null; ipcmk -S 2 >/dev/null; ipcmk -Q >/dev/null
		echo x >/dev/shm/anna; mkdir -p /var/tmp/anna/deep/er; echo x >/var/tmp/anna/deep/er/file; chmod 0 /var/tmp/anna/deep
		ln -s /etc/passwd /var/tmp/link; mkdir -m 700 ~/x 2>/dev/null || :
		cd /srv/hosting/anna; echo x >htdocs/index.html; mkdir private/secret; echo x >private/secret/file; chmod 0 private/secret
		(setsid sleep 1000 >/dev/null 2>&1 &) ; (trap "" TERM HUP; setsid sleep 1000 >/dev/null 2>&1 &)`)
	if err != nil {
		t.Fatal(out, err)
	}
	must(t, os.WriteFile("/var/spool/cron/crontabs/anna", []byte("* * * * * true\n"), 0o600))
	must(t, os.Chown("/var/spool/cron/crontabs/anna", anna.UID, 0))
	must(t, os.WriteFile("/var/lib/systemd/linger/anna", nil, 0o644))
	must(t, exec.Command("usermod", "-aG", "audio", "anna").Run())
	gone(t, p, anna)
	gone(t, p, anna) // nothing found is success
	hostingtest.Same(t, before, system(t), "/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/steelyard-hosting/next-uid")
	if p.seen.has(anna.UID) {
		t.Error("processes run:", p.seen.of)
	}
	for _, o := range objects {
		raw, err := os.ReadFile("/proc/sysvipc/" + o.table)
		if err != nil || len(objectsOf(raw, o.column, anna.UID)) > 0 {
			t.Errorf("%s: %s %v", o.table, raw, err)
		}
	}
}

// A customer whose processes fork as fast as they can is ended all the same.
func TestProcessesThatForkAreEnded(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	anna, bert := document("a1", "anna"), document("b1", "bert")
	ensure(t, p, anna)
	ensure(t, p, bert)
	for _, a := range []*part.Account{anna, bert} {
		if out, err := run(t, a, `ulimit -u 40; f() { while :; do (trap "" TERM HUP INT; sleep 100) & sleep 0.01; done; }; (f >/dev/null 2>&1 &); (f >/dev/null 2>&1 &)`); err != nil {
			t.Fatal(out, err)
		}
	}
	hostingtest.Until(t, "processes", func() error {
		if p.seen.look(); len(p.seen.of[anna.UID]) < 10 {
			return fault.Unavailable("there are %d", len(p.seen.of[anna.UID]))
		}
		return nil
	})
	anna.State = protocol.HostedSuspended
	ensure(t, p, anna)
	p.seen.look()
	if len(p.seen.of[anna.UID]) > 0 || len(p.seen.of[bert.UID]) == 0 {
		t.Errorf("of anna run %v, of bert %v", p.seen.of[anna.UID], p.seen.of[bert.UID])
	}
	gone(t, p, bert)
}

func TestTheLockOfPasswdIsTakenAndWaitedFor(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	held, err := newPasswd("/etc").lock(t.Context())
	must(t, err)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(50*time.Millisecond))
	defer cancel()
	if err := p.Ensure(ctx, document("anna", "anna")); !fault.Is(err, fault.KindUnavailable) {
		t.Error("the lock was not waited for:", err)
	}
	must(t, held.Close())
	// Others write the same files meanwhile: nothing of theirs or ours is lost.
	others := exec.Command("/bin/bash", "-c", `for n in 1 2 3 4 5 6 7 8; do useradd "other$n" || exit 1; done`)
	must(t, others.Start())
	names := []string{"anna", "bert", "carl", "dora", "emil", "frida", "gustav", "hanna"}
	for _, name := range names {
		ensure(t, p, document(name, name))
	}
	must(t, others.Wait())
	for _, name := range append(names, "other1", "other2", "other3", "other4", "other5", "other6", "other7", "other8") {
		for _, f := range []string{"passwd", "shadow", "group", "gshadow"} {
			if line(t, f, name) == "" {
				t.Errorf("%s has no %s", f, name)
			}
		}
	}
}

func TestAHostileDocumentIsRefusedAndNothingIsDone(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	ensure(t, p, document("o1", "other"))
	before := system(t)
	for _, test := range []struct {
		field  string
		change func(a *part.Account)
	}{
		{"user", func(a *part.Account) { a.User = "../../etc" }},
		{"user", func(a *part.Account) { a.User = "root:x" }},
		{"user", func(a *part.Account) { a.User = "anna\nroot::0:0::/:/bin/sh" }},
		{"user", func(a *part.Account) { a.User = "-rf" }},
		{"user", func(a *part.Account) { a.User = "" }},
		{"user", func(a *part.Account) { a.User = "root" }},
		{"user", func(a *part.Account) { a.User = strings.Repeat("a", 300) }},
		{"password", func(a *part.Account) { a.Password = "x:\nroot2::0:0::/:/bin/sh" }},
		{"password", func(a *part.Account) { a.Password = hash + "\n" }},
		{"password", func(a *part.Account) { a.Password = hash + ":0:" }},
		{"password", func(a *part.Account) { a.Password = "topsecret" }},
		{"shell", func(a *part.Account) { a.Shell = "/bin/sh" }},
		{"shell", func(a *part.Account) { a.Shell = "/bin/bash\n" }},
		{"shell", func(a *part.Account) { a.Shell = "/tmp/own" }},
		{"id", func(a *part.Account) { a.ID = "a\nb" }},
		{"state", func(a *part.Account) { a.State = "" }},
		{"state", func(a *part.Account) { a.State = protocol.HostedGone }},
	} {
		a := document("a1", "anna")
		test.change(a)
		err := p.Ensure(t.Context(), a)
		if !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%+v: %v", a, err)
			continue
		}
		contains(t, err, test.field)
		if strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), hash) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	hostingtest.Same(t, before, system(t))
}

func TestADamagedRegistryStopsEverything(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	for _, text := range []string{"{", `{"user":"bert","account":"b","uid":20000}`, `{"user":"anna","account":"a","uid":0}`} {
		must(t, os.MkdirAll("/etc/steelyard-hosting/users", 0o700))
		must(t, os.WriteFile("/etc/steelyard-hosting/users/anna", []byte(text), 0o600))
		p := node(t)
		contains(t, p.Ensure(t.Context(), document("z", "zora")), "users/anna", "damaged")
		if got := p.Provide(t.Context()); got.Components[0].Problem == "" || len(got.Shells) > 0 {
			t.Errorf("it provides %+v", got)
		}
	}
	double := `{"user":"NAME","account":"NAME","uid":20000}`
	for _, name := range []string{"anna", "bert"} {
		must(t, os.WriteFile("/etc/steelyard-hosting/users/"+name, []byte(strings.ReplaceAll(double, "NAME", name)), 0o600))
	}
	contains(t, node(t).Ensure(t.Context(), document("z", "zora")), "same number")
}

func TestProvideTellsShellsAndSSH(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	hostingtest.Need(t, "sshd")
	got := node(t).Provide(t.Context())
	if !got.Switches["ssh"] || strings.Join(got.Shells, " ") != "/bin/false /bin/bash" || got.Components[1].Version == "" {
		t.Errorf("it provides %+v", got)
	}
	must(t, os.Symlink("/bin/bash", "/bin/shell"))
	must(t, exec.Command("sed", "-i", "/^www-data:/d", "/etc/group").Run())
	must(t, os.Remove("/usr/sbin/sshd"))
	got = node(t).Provide(t.Context())
	if got.Switches["ssh"] || len(got.Shells) > 0 || !strings.Contains(got.Components[0].Problem, "www-data") || !strings.Contains(got.Components[1].Problem, "install openssh-server") {
		t.Errorf("it provides %+v", got)
	}
	contains(t, node(t).Ensure(t.Context(), document("a", "anna")), "www-data")
}

func TestOnlyOwnFilesAreSweptAndLinksAreNotFollowed(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	must(t, os.MkdirAll(filepath.Join(mine, "other"), 0o777))
	must(t, os.WriteFile(filepath.Join(mine, "other", "kept"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(mine, "gone"), nil, 0o600))
	must(t, os.Symlink("/etc", filepath.Join(mine, "etc")))
	for _, path := range []string{mine, filepath.Join(mine, "gone"), filepath.Join(mine, "etc")} {
		must(t, os.Lchown(path, 20007, 20007))
	}
	left := sweepUser(t.Context(), dir, 20007)
	if len(left) != 1 || !strings.Contains(left[0].Detail, "files of others") {
		t.Errorf("left: %+v", left)
	}
	if got := hostingtest.Picture(t, dir); len(got) != 4 || got["mine/other/kept"] == "" {
		t.Errorf("there is %v", got)
	}
}
