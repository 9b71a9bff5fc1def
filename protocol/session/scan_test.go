package session

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// samples holds one filled message of every kind.
func samples() map[protocol.Kind]any {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	inv := hardware.Inventory{
		Schema:   1,
		Identity: hardware.Identity{UUID: "4c4c4544-0042-3510-8054-b4c04f4a4e31", MACs: []string{"00:00:5e:00:53:01"}},
		CPUs:     []hardware.CPU{{Socket: "P0", Model: "EPYC", Arch: "x86_64", Cores: 16, Threads: 32, Flags: []string{"aes"}}},
		Memory:   hardware.Memory{TotalBytes: 1 << 36, DIMMs: []hardware.DIMM{{Slot: "A1", SizeBytes: 1 << 35}}},
		Disks:    []hardware.Disk{{Name: "sda", Type: "sata", SizeBytes: 480e9, SMART: &hardware.SMART{Passed: true, WearPercent: -1}}},
		NICs:     []hardware.NIC{{Name: "eth0", Addresses: []string{"192.0.2.1/24"}, LLDP: &hardware.Neighbour{ChassisID: "c"}}},
	}
	disk := protocol.DiskRef{Name: "sda", Serial: "S1", SizeBytes: 480e9}
	return map[protocol.Kind]any{
		protocol.KindHello:    &protocol.Hello{VersionMin: 1, VersionMax: 1, AgentVersion: "v1", Identity: inv.Identity, Unacked: []string{"cmd-1"}},
		protocol.KindWelcome:  &protocol.Welcome{Version: 1, ServerID: "srv-0", Epoch: 3, SigningKey: []byte{1, 2}, UnixMillis: now.UnixMilli()},
		protocol.KindGoodbye:  &protocol.Goodbye{Fault: &fault.Fault{Kind: fault.KindInvalid, Message: "no", Fields: []fault.Field{{Name: "a", Message: "b"}}}, RetrySeconds: 5},
		protocol.KindPing:     &protocol.Ping{Seq: 7},
		protocol.KindPong:     &protocol.Pong{Seq: 7},
		protocol.KindReport:   &protocol.Report{Digest: "d", Inventory: inv},
		protocol.KindSample:   &protocol.SampleReport{Sample: hardware.Sample{At: now, Load1: 0.5, FS: []hardware.Filesystem{{Mount: "/"}}}},
		protocol.KindWant:     &protocol.Want{},
		protocol.KindCommand:  &protocol.Command{ID: "cmd-1", Kind: protocol.CommandImage, Deadline: now, Image: &protocol.ImageCommand{SignedManifest: []byte("{}"), Disk: disk, SSHKeys: []string{"k"}}},
		protocol.KindCancel:   &protocol.Cancel{Command: "cmd-1", Reason: "asked"},
		protocol.KindProgress: &protocol.Progress{Command: "cmd-1", Done: 1, Total: 2, Unit: "bytes"},
		protocol.KindResult: &protocol.Result{
			Command: "cmd-1", At: now, Fault: fault.Refused("no"),
			Diagnosis: &protocol.Diagnosis{Profile: "quick", StartedAt: now, Checks: []protocol.Check{{Name: "cpu"}}, Inventory: inv},
			Erasures:  []protocol.Erasure{{Disk: disk, Attempts: []protocol.Attempt{{Method: "x"}}, EndedAt: now}}, Written: &protocol.WrittenImage{Disk: disk},
		},
		protocol.KindAck:          &protocol.Ack{Command: "cmd-1"},
		protocol.KindRenew:        &protocol.Renew{CSR: []byte{1}},
		protocol.KindRenewed:      &protocol.Renewed{Certificate: []byte{1}},
		protocol.KindEnrolRequest: &protocol.EnrolRequest{Token: "a.b", CSR: []byte{1}, Inventory: inv},
		protocol.KindEnrolReply:   &protocol.EnrolReply{ServerID: "srv-0", Certificate: []byte{1}, Authority: []byte{2}},
		protocol.KindFetch:        &protocol.Fetch{FileSHA256: "ab", Offset: 1 << 40},
		protocol.KindFetchReply:   &protocol.FetchReply{Bytes: 9},
		protocol.KindSucceed:      &protocol.Succeed{CSR: []byte{1}, InstanceID: "ins-2"},
		protocol.KindSucceeded:    &protocol.Succeeded{Certificate: []byte{1}},
		protocol.KindConsole:      &protocol.Console{ID: "con-1", Rows: 24, Cols: 80},
		protocol.KindConsoleData:  &protocol.ConsoleData{Data: []byte("ls\r")},
		protocol.KindConsoleSize:  &protocol.ConsoleSize{Rows: 50, Cols: 132},
		protocol.KindConsoleExit:  &protocol.ConsoleExit{Status: 1, Fault: fault.Unavailable("no terminal")},
		protocol.KindEnter:        &protocol.Enter{Architecture: "amd64"},
		protocol.KindEntry:        &protocol.Entry{Kernel: protocol.EntryFile{SHA256: "ab", Bytes: 9}, Arguments: []string{"quiet"}},
		protocol.KindHostedHave:   &protocol.HostedHave{Accounts: []protocol.HostedVersion{{ID: "acc-1", Version: 3, Result: "ab"}}, More: true},
		protocol.KindHostedSet: &protocol.HostedSet{Accounts: []protocol.HostedAccount{{
			ID: "acc-1", Version: 4, State: protocol.HostedPresent, User: "example", DiskMiB: new(uint64), Forwards: []protocol.HostedForward{{Domain: "b.example"}},
			FTPLogins: []protocol.HostedLogin{{Name: "example_a"}}, Mailboxes: []protocol.HostedMailbox{{Address: "a@b.example", QuotaMiB: new(uint64)}},
			Lists: []protocol.HostedList{{Address: "l@b.example", Members: []string{"x@c.example"}}}, Databases: []string{"example_a"},
		}}, Complete: true, All: []string{"acc-1"}, Tell: []string{"acc-1"}},
		protocol.KindHostedReport: &protocol.HostedReport{
			Seq: 1, Provided: &protocol.Provided{Components: []protocol.Component{{Part: "site", Name: "nginx"}}, Switches: map[string]bool{"web": true}, Shells: protocol.Shells},
			Results:   []protocol.HostedResult{{ID: "acc-1", Version: 4, State: protocol.HostedDone, Steps: []protocol.HostedStep{{Part: "site", State: protocol.HostedDone}}, LeftOvers: []protocol.Found{{Name: "x"}}}},
			Strangers: []string{"acc-0"}, Told: true,
		},
		protocol.KindHostedAck: &protocol.HostedAck{Seq: 1},

		protocol.KindUsageMonths: &protocol.UsageMonths{Zone: 1, Months: []protocol.UsageMonth{{Name: "2026-11", From: 1, To: 97, Days: []int64{1}}}},
		protocol.KindUsageReport: &protocol.UsageReport{
			Seq: 1, Book: "book-1", Zone: 1, Months: []string{"2026-11"}, Accounts: protocol.AppendUsage(nil, "acc-1", &protocol.AccountUsage{}), Counted: 9,
			Sources: []protocol.UsageSource{{Name: "www", Until: 9, Unknown: 1, Sample: "x", Gaps: []protocol.UsageGap{{After: 1, Before: 2}}}},
		},
		protocol.KindServerUsage: &protocol.ServerUsage{Seq: 2, Book: "ports-1", At: 9, Months: []protocol.ServerMonth{{
			Name: "2026-11", Ports: []protocol.PortTraffic{{MAC: "52:54:00:12:34:56", Name: "eth0"}}, Days: []protocol.Traffic{{In: 1}}, In: []uint64{1}, Out: []uint64{2},
		}}, Gaps: []protocol.UsageGap{{After: 1}}},
		protocol.KindUsageAck:    &protocol.UsageAck{Seq: 1},
		protocol.KindUsageAsk:    &protocol.UsageAsk{ID: "ask-1", Account: "acc-1", From: 1, To: 97},
		protocol.KindUsageAnswer: &protocol.UsageAnswer{ID: "ask-1", Quarters: []byte{1}, Fault: fault.NotFound("no account")},
	}
}

// blank makes an empty message of a kind.
func blank(k protocol.Kind) any {
	return map[protocol.Kind]any{
		protocol.KindHello: &protocol.Hello{}, protocol.KindWelcome: &protocol.Welcome{}, protocol.KindGoodbye: &protocol.Goodbye{},
		protocol.KindPing: &protocol.Ping{}, protocol.KindPong: &protocol.Pong{}, protocol.KindReport: &protocol.Report{},
		protocol.KindSample: &protocol.SampleReport{}, protocol.KindWant: &protocol.Want{}, protocol.KindCommand: &protocol.Command{},
		protocol.KindCancel: &protocol.Cancel{}, protocol.KindProgress: &protocol.Progress{}, protocol.KindResult: &protocol.Result{},
		protocol.KindAck: &protocol.Ack{}, protocol.KindRenew: &protocol.Renew{}, protocol.KindRenewed: &protocol.Renewed{},
		protocol.KindEnrolRequest: &protocol.EnrolRequest{}, protocol.KindEnrolReply: &protocol.EnrolReply{},
		protocol.KindFetch: &protocol.Fetch{}, protocol.KindFetchReply: &protocol.FetchReply{},
		protocol.KindSucceed: &protocol.Succeed{}, protocol.KindSucceeded: &protocol.Succeeded{},
		protocol.KindConsole: &protocol.Console{}, protocol.KindConsoleData: &protocol.ConsoleData{}, protocol.KindConsoleSize: &protocol.ConsoleSize{}, protocol.KindConsoleExit: &protocol.ConsoleExit{},
		protocol.KindEnter: &protocol.Enter{}, protocol.KindEntry: &protocol.Entry{},
		protocol.KindHostedHave: &protocol.HostedHave{}, protocol.KindHostedSet: &protocol.HostedSet{},
		protocol.KindHostedReport: &protocol.HostedReport{}, protocol.KindHostedAck: &protocol.HostedAck{},
		protocol.KindUsageMonths: &protocol.UsageMonths{}, protocol.KindUsageReport: &protocol.UsageReport{}, protocol.KindServerUsage: &protocol.ServerUsage{},
		protocol.KindUsageAck: &protocol.UsageAck{}, protocol.KindUsageAsk: &protocol.UsageAsk{}, protocol.KindUsageAnswer: &protocol.UsageAnswer{},
	}[k]
}

// hostile are message bodies that must be refused, with the reason.
var hostile = []struct{ name, body, reason string }{
	{"empty", "", ReasonShape},
	{"nil", "\xc0", ReasonShape},
	{"an array", "\x91\x80", ReasonShape},
	{"array of 100 million, 5 bytes", "\x81\xa1a\xdd\x05\xf5\xe1\x00", ReasonLength},
	{"array of 4 billion", "\x81\xa1a\xdd\xff\xff\xff\xff", ReasonLength},
	{"map of 4 billion", "\xdf\xff\xff\xff\xff", ReasonElements},
	{"binary of 4 GiB", "\x81\xa1a\xc6\xff\xff\xff\xff", ReasonLength},
	{"text of 4 GiB", "\x81\xa1a\xdb\xff\xff\xff\xff", ReasonLength},
	{"text that is cut", "\x81\xa1a\xa5ab", ReasonLength},
	{"length that is cut", "\x81\xa1a\xdb\xff", ReasonLength},
	{"map without its value", "\x81\xa1a", ReasonLength},
	{"number that is cut", "\x81\xa1a\xcf\x00", ReasonLength},
	{"two messages", "\x80\x80", ReasonLength},
	{"number as key", "\x81\x01\x01", ReasonShape},
	{"nested in keys", "\x81" + strings.Repeat("\x91", 90000), ReasonShape},
	{"nested arrays", "\x81\xa1a" + strings.Repeat("\x91", 900000), ReasonDepth},
	{"nested maps", strings.Repeat("\x81\xa1a", 300000), ReasonDepth},
	{"array of many nils", "\x81\xa1a\xdd\x00\x00\x80\x01" + strings.Repeat("\xc0", 0x8001), ReasonElements},
	{"map of many", "\xde\x04\x01" + strings.Repeat("\xa0\xc0", 0x401), ReasonElements},
	{"strange extension", "\x81\xa1a\xd6\x05abcd", ReasonShape},
	{"long time", "\x81\xa1a\xc7\x20\xff" + strings.Repeat("a", 32), ReasonShape},
	{"extension that is cut", "\x81\xa1a\xd7\xffabc", ReasonLength},
	{"reserved byte", "\x81\xa1a\xc1", ReasonShape},
}

func TestScanRefusesHostileBytes(t *testing.T) {
	for _, h := range hostile {
		if err := Scan([]byte(h.body)); ReasonOf(err) != h.reason {
			t.Errorf("%s: %v (reason %q), want reason %q", h.name, err, ReasonOf(err), h.reason)
		}
	}
}

func TestScanRefusalsAreInvalidFaults(t *testing.T) {
	if err := Scan([]byte("\xc0")); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("%v is %v, want invalid: it goes into a Goodbye", err, fault.KindOf(err))
	}
}

func TestScanAcceptsEveryMessage(t *testing.T) {
	for kind, msg := range samples() {
		frame, err := Marshal(kind, msg)
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if err := Scan(frame[headerSize:]); err != nil {
			t.Errorf("kind %d: %v", kind, err)
		}
		if n := testing.AllocsPerRun(10, func() { _ = Scan(frame[headerSize:]) }); n > 0 {
			t.Errorf("kind %d: scanning allocates %v times", kind, n)
		}
	}
}

func TestScanAcceptsAllNumberForms(t *testing.T) {
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	values := []any{
		int8(-100), int16(-3000), int32(-1 << 20), int64(-1 << 40), uint8(200), uint16(1 << 15), uint32(1 << 31), uint64(1 << 63),
		float32(1.5), 2.5, true, nil, strings.Repeat("x", 300), bytes.Repeat([]byte{1}, 70000), time.Unix(1, 5), time.Unix(-1, 0),
	}
	if err := enc.Encode(map[string]any{"v": values}); err != nil {
		t.Fatal(err)
	}
	if err := Scan(b.Bytes()); err != nil {
		t.Error(err)
	}
}

func FuzzScan(f *testing.F) {
	for _, h := range hostile {
		f.Add([]byte(h.body)[:min(len(h.body), 4096)])
	}
	for kind, msg := range samples() {
		frame, err := Marshal(kind, msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[headerSize:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := Scan(body)
		if err != nil && ReasonOf(err) == "" {
			t.Fatalf("a refusal without a reason: %v", err)
		}
		if err != nil {
			return
		}
		// What was accepted is what the library sees: it can pass over it and ends at the same byte.
		src := bytes.NewReader(body)
		if err := msgpack.NewDecoder(src).Skip(); err != nil {
			t.Fatalf("accepted, but the library cannot even skip it: %v", err)
		}
		if src.Len() != 0 {
			t.Fatalf("accepted with %d bytes left over", src.Len())
		}
	})
}

func FuzzDecode(f *testing.F) {
	for kind, msg := range samples() {
		frame, err := Marshal(kind, msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(kind), frame[headerSize:])
	}
	f.Add(byte(protocol.KindReport), []byte("\x81\xa9inventory\x81\xa5disks\xdc\x00\x03\x80\xc0\x80"))
	f.Add(byte(protocol.KindSample), []byte("\x81\xa6sample\x81\xa2at\xc0")) // the library panics on it
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		to := blank((protocol.Kind(kind)-1)%protocol.KindUsageAnswer + 1)
		if Scan(body) != nil {
			return
		}
		if err := unmarshal(body, to); err != nil {
			if ReasonOf(err) != ReasonDecode {
				t.Fatalf("reason %q for %v", ReasonOf(err), err)
			}
			return
		}
		if _, err := Marshal(protocol.KindReport, to); err != nil && ReasonOf(err) != ReasonTooLarge {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
	})
}
