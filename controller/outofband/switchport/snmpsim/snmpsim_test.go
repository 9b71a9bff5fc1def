package snmpsim

import (
	"compress/bzip2"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, tree *Tree) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.88.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	agent := &Agent{Tree: tree, Write: "private", Read: "public"}
	go func() { ended <- agent.Serve(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

// netsnmp runs one of net-snmp's own programs. In CI its absence is a failure.
func netsnmp(t *testing.T, name, community, address string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing: apt-get install snmp", name)
	default:
		t.Skipf("%s is missing: apt-get install snmp", name)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-v2c", "-c", community, "-On", "-Oe", "-OU", "-r", "1", "-t", "2", address}, args...)...)
	cmd.Env = append(os.Environ(), "MIBS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestNetSNMPReadsAndWrites(t *testing.T) {
	sw := NewSwitch("rack7", 4, time.Now, 66)
	address := serve(t, sw.Tree)
	for _, walk := range []string{"snmpwalk", "snmpbulkwalk"} {
		out, err := netsnmp(t, walk, "public", address, ".1.3")
		if err != nil || strings.Count(out, "\n") < 60 || !strings.Contains(out, `.1.3.6.1.2.1.31.1.1.1.1.104 = STRING: "port4"`) {
			t.Errorf("%s: %v\n%s", walk, err, out)
		}
	}
	for _, c := range []struct {
		args []string
		says string // "" is done
	}{
		{[]string{ifAdminStatus + "102", "i", "2"}, ""},
		{[]string{ifAlias + "103", "s", "web7"}, ""},
		{[]string{dot1qPvid + "3", "u", "66"}, ""},
		{[]string{vlanEgress + "66", "x", "20", vlanUntagged + "66", "x", "20"}, ""},
		{[]string{ifAdminStatus + "101", "i", "7"}, "wrongValue"},
		{[]string{ifAdminStatus + "101", "s", "down"}, "wrongType"},
		{[]string{dot1qPvid + "1", "u", "5000"}, "wrongValue"},
		{[]string{ifOperStatus + "101", "i", "2"}, "notWritable"},
		{[]string{ifAlias + "999", "s", "x"}, "noCreation"},
		{[]string{ifAlias + "101", "s", strings.Repeat("x", 65)}, "wrongLength"},
		{[]string{ifAlias + "104", "s", "half", ifOperStatus + "101", "i", "2"}, "notWritable"},
	} {
		out, err := netsnmp(t, "snmpset", "private", address, c.args...)
		if (err == nil) != (c.says == "") || !strings.Contains(out, c.says) {
			t.Errorf("snmpset %v: %v\n%s", c.args, err, out)
		}
	}
	if sw.Up(2) || !sw.Up(1) || sw.VLAN(3) != 66 {
		t.Errorf("up %v and %v, VLAN %d", sw.Up(2), sw.Up(1), sw.VLAN(3))
	}
	out, err := netsnmp(t, "snmpget", "public", address, ifOperStatus+"102", ifAlias+"103", ifAlias+"104", vlanUntagged+"66", ".1.3.6.1.9")
	for _, want := range []string{"INTEGER: 2", `"web7"`, `.104 = ""`, "No Such Instance"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("snmpget lacks %s: %v\n%s", want, err, out)
		}
	}
	if out, err := netsnmp(t, "snmpset", "public", address, ifAdminStatus+"101", "i", "2"); err == nil || !strings.Contains(out, "noAccess") {
		t.Errorf("the community that may only read wrote: %v\n%s", err, out)
	}
	if out, err := netsnmp(t, "snmpget", "guess", address, ifAlias+"103"); err == nil || !strings.Contains(out, "Timeout") {
		t.Errorf("an unknown community was answered: %v\n%s", err, out)
	}
}

// net-snmp reads a recorded walk back, every object of it.
func TestNetSNMPReadsARecordedWalk(t *testing.T) {
	path := filepath.Join(testdata.Shared(t, "switch-snmp"), "thola-comware-VSR1000.snmprec.bz2")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := Parse(bzip2.NewReader(f))
	if err != nil || tree.Len() < 2000 {
		t.Fatalf("%d objects, %v", tree.Len(), err)
	}
	out, err := netsnmp(t, "snmpbulkwalk", "public", serve(t, tree), "-Cr20", ".1")
	got := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, ".1.") && strings.Contains(line, " = ") {
			got++
		}
	}
	if err != nil || got < tree.Len() {
		t.Errorf("read %d of %d objects: %v", got, tree.Len(), err)
	}
}

func TestParseReadsEachType(t *testing.T) {
	tree, err := Parse(strings.NewReader(`# a comment
1.3.6.1.1|2|-5
1.3.6.1.2|4|a|b
1.3.6.1.3|4x|00ff
1.3.6.1.4|65|4294967295
1.3.6.1.5|66|7
1.3.6.1.6|67|8
1.3.6.1.7|70|18446744073709551615
1.3.6.1.8|64x|7f000001
1.3.6.1.9|6|1.3.6
1.3.6.1.10|2:numeric|rate=1,value=9
1.3.6.1.11|4:writecache|status=x
1.3.6.1.1|2|6
1.3.6.1.99||
`))
	if err != nil || tree.Len() != 10 {
		t.Fatalf("%d objects, %v", tree.Len(), err)
	}
	for oid, want := range map[string]Value{
		"1.3.6.1.1": {gosnmp.Integer, 6}, ".1.3.6.1.4": {gosnmp.Counter32, uint32(1<<32 - 1)}, ".1.3.6.1.7": {gosnmp.Counter64, uint64(1<<64 - 1)},
		".1.3.6.1.8": {gosnmp.IPAddress, "127.0.0.1"}, ".1.3.6.1.9": {gosnmp.ObjectIdentifier, ".1.3.6"}, ".1.3.6.1.10": {gosnmp.Integer, 9},
	} {
		if got, ok := tree.Get(oid); !ok || got != want {
			t.Errorf("%s is %+v", oid, got)
		}
	}
	if v, _ := tree.Get(".1.3.6.1.2"); string(v.Data.([]byte)) != "a|b" {
		t.Errorf("text %q", v.Data)
	}
	for _, wrong := range []string{"x", "1.3|2", "1.3.x|2|1", "1.3|2|x", "1.3|99|1", "1.3|4x|0", "1.3|256|1", "9.3|2|1", "1.3|66|-1", "1|2|3"} {
		if _, err := Parse(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
}

func TestSwitchCountsAndRestarts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sw := NewSwitch("rack7", 2, func() time.Time { return now })
	now = now.Add(time.Minute)
	sw.Carry(1, 5_000_000_000, 7)
	value := func(oid string) any {
		v, _ := sw.Get(oid)
		return v.Data
	}
	if value(".1.3.6.1.2.1.1.3.0") != uint32(6000) || value(".1.3.6.1.2.1.31.1.1.1.6.101") != uint64(5_000_000_000) || value(".1.3.6.1.2.1.2.2.1.10.101") != uint32(705_032_704) {
		t.Error("uptime or counters are wrong")
	}
	sw.write(gosnmp.SnmpPDU{Name: ifAdminStatus + "101", Type: gosnmp.Integer, Value: 2})
	sw.Carry(1, 1, 1)
	if value(".1.3.6.1.2.1.31.1.1.1.10.101") != uint64(7) {
		t.Error("a port that is shut carried something")
	}
	sw.Restart()
	if value(".1.3.6.1.2.1.1.3.0") != uint32(0) || value(".1.3.6.1.2.1.31.1.1.1.6.101") != uint64(0) {
		t.Error("a restart keeps uptime or counters")
	}
}

// Bytes of strangers neither stop the agent nor make it say more than a frame holds.
func FuzzAnswer(f *testing.F) {
	sw := NewSwitch("rack7", 30, time.Now, 66)
	agent := &Agent{Tree: sw.Tree, Write: "private", Read: "public"}
	for _, kind := range []gosnmp.PDUType{gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest, gosnmp.SetRequest} {
		p := &gosnmp.SnmpPacket{
			Version: gosnmp.Version2c, Community: "private", PDUType: kind, RequestID: 7, MaxRepetitions: 100,
			Variables: []gosnmp.SnmpPDU{{Name: ifAdminStatus + "101", Type: gosnmp.Integer, Value: 2}, {Name: ifAlias + "101", Type: gosnmp.OctetString, Value: "x"}},
		}
		b, err := p.MarshalMsg()
		if err != nil {
			f.Fatal(err)
		}
		if agent.Answer(b) == nil {
			f.Fatalf("a good %s is not answered", kind)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		if out := agent.Answer(b); len(out) > maxAnswer {
			t.Errorf("an answer of %d bytes", len(out))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("1.3.6.1|4x|00\n1.3.6.2|2:numeric|value=1")
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := Parse(strings.NewReader(s))
		if err != nil {
			return
		}
		agent := &Agent{Tree: tree, Read: "c"}
		at, seen := ".0.0", 0
		for range tree.Len() {
			p := agent.after(at)
			if p.Type == gosnmp.EndOfMibView {
				break
			}
			at, seen = p.Name, seen+1
		}
		if p := agent.after(at); seen < tree.Len()-1 || tree.Len() > 0 && p.Type != gosnmp.EndOfMibView {
			t.Errorf("walked %d of %d objects", seen, tree.Len())
		}
	})
}
