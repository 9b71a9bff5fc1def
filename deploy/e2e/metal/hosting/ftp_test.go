package hosting

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/ftp"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	accounts "github.com/steelyard/steelyard/agent/hosting/unix"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// The digest of "secret".
const digest = "$6$steelyard$w4IA0rrmg1T..Mfs31ws5pr7IzwPgasewGN/Ma.Ors2hdKYl8Hf4DhElhguVTTVxdnmHCSV5r6F.D60zjSIyw1"

const ftpAt = "127.0.0.1:21"

func TestC20_AnUploadOverTheQuotaIsRefusedAndNothingOfItIsLeft(t *testing.T) {
	if !qemu.Inside() {
		qemu.Need(t, "mkfs.ext4", "mkfs.xfs", "proftpd")
		disks := []qemu.Disk{qemu.NewDisk(t, "virtio", "ONE", 400<<20), qemu.NewDisk(t, "virtio", "TWO", 400<<20)}
		qemu.RunTest(t, qemu.Machine{Disks: disks, Programs: []string{"mkfs.ext4", "mkfs.xfs", "false", "proftpd"}})
		return
	}
	for device, s := range map[string]system{"/dev/vda": systems[0], "/dev/vdb": systems[4]} { // each its own: sessions may hold one a moment longer
		t.Run(s.name+" "+s.mount, func(t *testing.T) { upload(t, s, device) })
	}
}

func upload(t *testing.T, s system, device string) {
	const at = "/mnt"
	etc(t)
	if out, err := exec.Command("/bin/mkfs."+s.name, append(slices.Clone(s.mkfs), device)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, unix.Mount(device, at, s.name, 0, s.mount))
	defer func() { must(t, unix.Unmount(at, unix.MNT_DETACH)) }()
	must(t, os.Chmod(at, 0o755))
	layout := part.Layout{Homes: at + "/homes", State: "/state", Logs: "/logs", Mail: "/mail"}
	must(t, os.RemoveAll(layout.State))
	must(t, os.MkdirAll(layout.State, 0o711))
	must(t, os.MkdirAll(layout.Logs, 0o755))
	limits := quota.New(quota.Options{Layout: layout})
	parts := []part.Part{
		accounts.New(accounts.Options{Layout: layout, Shared: []string{"/tmp"}, Homes: limits.Homes()}), limits, server(t, layout),
	}
	set := func(a *part.Account, mib uint64) {
		t.Helper()
		a.DiskMiB = &mib
		for _, p := range parts {
			must(t, p.Ensure(t.Context(), a))
			must(t, p.Settle(t.Context()))
		}
	}
	anna := document("a", "anna", 4)
	anna.Password = digest
	set(anna, 4)
	c := login(t, "anna", "secret")
	c.put(t, "htdocs/index.html", 1, true)
	c.put(t, "htdocs/large.zip", 9, false)
	c.put(t, "htdocs/index.html", 9, false) // what was there stays
	c.has(t, anna, "index.html")
	if st, err := os.Stat(anna.Home + "/htdocs/index.html"); err != nil || st.Size() != 1<<20 {
		t.Errorf("the file that was there: %v %v", st, err)
	}
	c.do(t, 250, "DELE htdocs/index.html")
	c.put(t, "htdocs/second", 2, true)
	set(anna, 16)
	c.put(t, "htdocs/large.zip", 9, true) // in the same session
	c.stored(t, layout, limits, anna, device)
	set(anna, 0)
	c = login(t, "anna", "secret")
	c.put(t, "htdocs/zero", 1, false)
	c.do(t, 250, "DELE htdocs/second")
	c.do(t, 250, "DELE htdocs/large.zip")
	c.has(t, anna)
}

// server starts ProFTPD as Debian would, and stops it with the test.
func server(t *testing.T, l part.Layout) *ftp.Part {
	t.Helper()
	must(t, os.RemoveAll("/etc/proftpd")) // its file names what was removed
	for _, dir := range []string{"/etc/proftpd/conf.d", "/run", "/var/run/proftpd"} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	must(t, os.WriteFile("/etc/proftpd/proftpd.conf", []byte(`ServerType standalone
DefaultAddress 127.0.0.1
Port 21
SocketBindTight on
UseIPv6 off
User nobody
Group nogroup
PidFile /run/proftpd.pid
ScoreboardFile /run/scoreboard
DelayEngine off
SystemLog /run/proftpd.log
Include /etc/proftpd/conf.d/
`), 0o644))
	for name, line := range map[string]string{"passwd": "nobody:x:65534:65534::/:/bin/false\n", "group": "nogroup:x:65534:\n"} {
		f, err := os.OpenFile("/etc/"+name, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(line)
		must(t, err)
		must(t, f.Close())
		must(t, os.Chmod("/etc/"+name, 0o644))
	}
	var said bytes.Buffer
	cmd := exec.Command("/bin/proftpd", "-n", "-c", "/etc/proftpd/proftpd.conf")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			raw, _ := os.ReadFile("/run/proftpd.log")
			t.Logf("ProFTPD: %s\n%s", said.String(), raw)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", ftpAt)
		if err == nil {
			must(t, c.Close())
			break
		}
		if time.Now().After(end) {
			t.Fatal("ProFTPD does not listen: ", err)
		}
	}
	return ftp.New(ftp.Options{Layout: l, Program: "/bin/proftpd", Conf: "/etc/proftpd/proftpd.conf"})
}

// session of a customer's program.
type session struct{ *textproto.Conn }

func login(t *testing.T, name, password string) session {
	t.Helper()
	raw, err := net.Dial("tcp", ftpAt)
	must(t, err)
	must(t, raw.SetDeadline(time.Now().Add(2*time.Minute)))
	t.Cleanup(func() { _ = raw.Close() })
	c := session{textproto.NewConn(raw)}
	_, _, err = c.ReadResponse(220)
	must(t, err)
	c.do(t, 331, "USER "+name)
	c.do(t, 230, "PASS "+password)
	c.do(t, 200, "TYPE I")
	return c
}

func (c session) do(t *testing.T, want int, line string) string {
	t.Helper()
	must(t, c.PrintfLine("%s", line))
	_, text, err := c.ReadResponse(want)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text
}

// put uploads so many MiB and expects that they are taken or refused.
func (c session) put(t *testing.T, name string, mib int, taken bool) {
	t.Helper()
	var port int
	_, ports, _ := strings.Cut(c.do(t, 229, "EPSV"), "|||")
	_, err := fmt.Sscanf(ports, "%d|", &port)
	must(t, err)
	data, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	must(t, err)
	must(t, c.PrintfLine("STOR %s", name))
	code, text, _ := c.ReadResponse(0)
	if code == 150 {
		_, _ = io.Copy(data, io.LimitReader(endless{}, int64(mib)<<20)) // a refused one is cut short
	}
	must(t, data.Close())
	if code == 150 {
		code, text, _ = c.ReadResponse(0)
	}
	if taken != (code == 226) || (!taken && code/100 != 4 && code/100 != 5) {
		t.Errorf("%d MiB to %s: %d %s", mib, name, code, text)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// has expects exactly these files in htdocs, hidden ones too.
func (session) has(t *testing.T, a *part.Account, want ...string) {
	t.Helper()
	list, err := os.ReadDir(a.Home + "/htdocs")
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("in htdocs there is %q, not %q", names, want)
	}
}
