package switchport

import (
	"bufio"
	"compress/bzip2"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/testdata"
)

// lines reads a walk as text, without anything of the code under test: OID to value.
func lines(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	s := bufio.NewScanner(bzip2.NewReader(f))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p := strings.SplitN(s.Text(), "|", 3)
		if len(p) != 3 {
			continue
		}
		v := p[2]
		if p[1] == "4x" {
			b, err := hex.DecodeString(v)
			if err != nil {
				t.Fatal(err)
			}
			v = string(b)
		}
		all[p[0]] = v
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// expected makes the ports of a walk by hand.
func expected(t testing.TB, all map[string]string) []Port {
	t.Helper()
	cell := func(column string, row int) (string, bool) {
		v, ok := all[column+"."+strconv.Itoa(row)]
		return v, ok
	}
	num := func(column string, row int) uint64 {
		v, _ := cell(column, row)
		n, _ := strconv.ParseUint(v, 10, 64)
		return n
	}
	const low, high = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
	rows := map[int]bool{}
	for oid := range all {
		for _, column := range []string{low + ".2.", low + ".7.", low + ".8.", low + ".10.", high + ".1.", high + ".6.", high + ".18."} {
			if r, ok := strings.CutPrefix(oid, column); ok {
				n, err := strconv.Atoi(r)
				if err != nil {
					t.Fatal(err)
				}
				rows[n] = true
			}
		}
	}
	vlan := map[int]int{}
	for oid, v := range all {
		if bp, ok := strings.CutPrefix(oid, "1.3.6.1.2.1.17.1.4.1.2."); ok {
			index, _ := strconv.Atoi(v)
			vlan[index], _ = strconv.Atoi(all["1.3.6.1.2.1.17.7.1.4.5.1.1."+bp])
		}
	}
	up, _ := strconv.ParseUint(all["1.3.6.1.2.1.1.3.0"], 10, 64)
	var ports []Port
	for r := range rows {
		p := Port{Index: r, Admin: "unknown", Oper: "unknown", VLAN: vlan[r]}
		p.Descr, _ = cell(low+".2", r)
		p.Name, _ = cell(high+".1", r)
		p.Alias, _ = cell(high+".18", r)
		for _, s := range []*string{&p.Descr, &p.Name, &p.Alias} {
			*s = strings.TrimSpace(strings.ReplaceAll(*s, "\x00", ""))
		}
		if p.Name == "" {
			p.Name = p.Descr
		}
		if mac, _ := cell(low+".6", r); len(mac) == 6 && mac != "\x00\x00\x00\x00\x00\x00" {
			h := hex.EncodeToString([]byte(mac))
			p.MAC = strings.Join([]string{h[0:2], h[2:4], h[4:6], h[6:8], h[8:10], h[10:12]}, ":")
		}
		switch v, _ := cell(low+".7", r); v {
		case "1":
			p.Admin = "up"
		case "2":
			p.Admin = "down"
		case "3":
			p.Admin = "testing"
		}
		switch v, _ := cell(low+".8", r); v {
		case "1":
			p.Oper = "up"
		case "2":
			p.Oper = "down"
		case "3":
			p.Oper = "testing"
		case "5":
			p.Oper = "dormant"
		case "6":
			p.Oper = "not present"
		case "7":
			p.Oper = "lower layer down"
		}
		p.SpeedBits = num(low+".5", r)
		if _, ok := cell(high+".15", r); ok && (p.SpeedBits == 0 || p.SpeedBits == 4294967295) {
			p.SpeedBits = num(high+".15", r) * 1000000
		}
		p.Counters.Uptime = time.Duration(up) * 10 * time.Millisecond
		p.Counters.Discontinuity = time.Duration(num(high+".19", r)) * 10 * time.Millisecond
		p.Counters.Speed = p.SpeedBits
		if _, ok := cell(high+".6", r); ok {
			p.Counters.Bits, p.Counters.InOctets, p.Counters.OutOctets = 64, num(high+".6", r), num(high+".10", r)
		} else if _, ok := cell(low+".10", r); ok {
			p.Counters.Bits, p.Counters.InOctets, p.Counters.OutOctets = 32, num(low+".10", r), num(low+".16", r)
		}
		ports = append(ports, p)
	}
	sort.Slice(ports, func(i, j int) bool { return ports[i].Index < ports[j].Index })
	return ports
}

// leastPorts is what the collection's description says of each walk: so many interfaces.
var leastPorts = map[string]int{
	"arista-dcs-7150s-52-cl": 59, "cisco-c3560": 57, "cisco-c3750": 19, "cisco-n5000": 61, "hpe-procurve-516733-b21": 42,
	"ruijie-s5750-24gt12sfp": 27, "brocade-icx6430-24": 29, "dcrs-5980-28t-dc": 53, "h3c-e528-2": 31, "dlink-des3200": 23,
	"bdcom-s5612": 26, "ibm-x3550-m3": 6, "thola-arista_eos-device_1": 4, "thola-comware-VSR1000": 11, "pdu-apc-8932": 2, "pdu-apc-7902b": 2,
}

// Every recorded switch is read right: names, states, speeds, VLANs and counters.
func TestEveryRecordedSwitchIsRead(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata.Shared(t, "switch-snmp"), "*.snmprec.bz2"))
	if err != nil || len(paths) < len(leastPorts) {
		t.Fatalf("%d walks, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".snmprec.bz2")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := expected(t, lines(t, path))
			if len(want) != leastPorts[name] {
				t.Fatalf("the walk has %d interfaces, its description says %d", len(want), leastPorts[name])
			}
			s := dial(t, serve(t, recorded(t, filepath.Base(path))), "public")
			got, err := s.Ports(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got)
			for _, p := range []Port{want[0], want[len(want)/2], want[len(want)-1]} {
				one, err := s.Find(within(t, time.Minute), outofband.ByIndex, strconv.Itoa(p.Index))
				if err != nil {
					t.Fatal(err)
				}
				compare(t, []Port{p}, []Port{one})
			}
		})
	}
}

func compare(t *testing.T, want, got []Port) {
	t.Helper()
	for i := range got {
		if got[i].Counters.At.IsZero() {
			t.Errorf("port %d does not say when it was read", got[i].Index)
		}
		got[i].Counters.At = time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What another project reads of two of the walks is read here too.
func TestRecordedSwitchesAsAnotherProjectReadsThem(t *testing.T) {
	dir := testdata.Shared(t, "switch-snmp")
	for _, name := range []string{"thola-arista_eos-device_1", "thola-comware-VSR1000"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Expectations struct {
				Count struct {
					Count int `json:"count"`
				} `json:"readCountInterfaces"`
				Check struct {
					Data []struct {
						Metric, Label string
						Value         float64
					} `json:"performance_data"`
				} `json:"checkInterfaceMetrics"`
			}
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		s := dial(t, serve(t, recorded(t, name+".snmprec.bz2")), "public")
		ports, err := s.Ports(within(t, time.Minute))
		if err != nil || len(ports) != file.Expectations.Count.Count {
			t.Fatalf("%s: %d ports, %v", name, len(ports), err)
		}
		checked := 0
		for _, d := range file.Expectations.Check.Data {
			for _, p := range ports {
				if p.Name != d.Label && p.Descr != d.Label {
					continue
				}
				states := map[string]float64{"up": 1, "down": 2, "testing": 3, "unknown": 4, "dormant": 5, "not present": 6, "lower layer down": 7}
				got, known := map[string]float64{
					"interface_admin_status": states[p.Admin], "interface_oper_status": states[p.Oper],
					"traffic_counter_in": float64(p.Counters.InOctets), "traffic_counter_out": float64(p.Counters.OutOctets),
				}[d.Metric]
				if !known {
					continue
				}
				checked++
				if got != d.Value {
					t.Errorf("%s %s: %s is %v, want %v", name, d.Label, d.Metric, got, d.Value)
				}
			}
		}
		if checked < 4*len(ports) {
			t.Errorf("%s: only %d figures were compared", name, checked)
		}
	}
}

// Servers are found where their addresses and neighbours are, on switches of several makers.
func TestPortsAreFoundByAddressAndNeighbour(t *testing.T) {
	for _, c := range []struct{ walk, by, value, port string }{
		{"hpe-procurve-516733-b21", outofband.ByLLDP, "e8:39:35:1a:ca:99", "8"},
		{"hpe-procurve-516733-b21", outofband.ByLLDP, "E839.351A.3C65", "15"},
		{"arista-dcs-7150s-52-cl", outofband.ByName, "Ethernet1", "Ethernet1"},
	} {
		s := dial(t, serve(t, recorded(t, c.walk+".snmprec.bz2")), "public")
		p, err := s.Find(within(t, time.Minute), c.by, c.value)
		if err != nil || p.Name != c.port && p.Descr != c.port {
			t.Errorf("%s: %s %s is %+v, %v; want %s", c.walk, c.by, c.value, p, err, c.port)
		}
	}
}

// Each address that a recorded switch has learned is found at the port that the walk
// says, or refused when it says two.
func TestEveryLearnedAddressIsFound(t *testing.T) {
	dir := testdata.Shared(t, "switch-snmp")
	for walk, least := range map[string]int{
		"hpe-procurve-516733-b21": 200, "ruijie-s5750-24gt12sfp": 300, "brocade-icx6430-24": 15, "dlink-des3200": 150,
		"bdcom-s5612": 500, "arista-dcs-7150s-52-cl": 10, "dcrs-5980-28t-dc": 20, "cisco-c3750": 10,
	} {
		t.Run(walk, func(t *testing.T) {
			t.Parallel()
			all := lines(t, filepath.Join(dir, walk+".snmprec.bz2"))
			s := dial(t, serve(t, recorded(t, walk+".snmprec.bz2")), "public")
			checked := 0
			for mac, ports := range learnedIn(all) {
				if checked++; checked > least+30 {
					break
				}
				p, err := s.Find(within(t, time.Minute), outofband.ByMAC, mac)
				switch {
				case len(ports) == 1 && (err != nil || !ports[p.Index]):
					t.Errorf("%s is found at %d, %v; the walk says %v", mac, p.Index, err, ports)
				case len(ports) > 1:
					isKind(t, err, fault.KindConflict)
				}
			}
			if checked < least {
				t.Errorf("only %d addresses in the walk", checked)
			}
		})
	}
}

// learnedIn gives the interfaces that learned an address, from the text of a walk.
func learnedIn(all map[string]string) map[string]map[int]bool {
	const q, b = "1.3.6.1.2.1.17.7.1.2.2.1.2.", "1.3.6.1.2.1.17.4.3.1.2."
	hasQ := false
	for oid := range all {
		hasQ = hasQ || strings.HasPrefix(oid, q)
	}
	found := map[string]map[int]bool{}
	for oid, port := range all {
		row, isQ := strings.CutPrefix(oid, q)
		if isQ {
			_, row, _ = strings.Cut(row, ".") // the table's id
		} else if row, isQ = strings.CutPrefix(oid, b); !isQ || hasQ {
			continue
		}
		index, ok := all["1.3.6.1.2.1.17.1.4.1.2."+port]
		raw := make([]byte, 0, 6)
		for _, part := range strings.Split(row, ".") {
			n, _ := strconv.Atoi(part)
			raw = append(raw, byte(n))
		}
		if !ok || len(raw) != 6 || raw[0]&1 == 1 || string(raw) == "\x00\x00\x00\x00\x00\x00" {
			continue
		}
		h := net.HardwareAddr(raw).String()
		if found[h] == nil {
			found[h] = map[int]bool{}
		}
		n, _ := strconv.Atoi(index)
		found[h][n] = true
	}
	return found
}

// What is no switch is read without an error, and has no VLAN to set.
func TestWhatIsNoSwitchIsRefusedWithAReason(t *testing.T) {
	for _, walk := range []string{"pdu-apc-8932", "pdu-apc-7902b", "ibm-x3550-m3"} {
		s := dial(t, serve(t, recorded(t, walk+".snmprec.bz2")), "private")
		ports, err := s.Ports(within(t, time.Minute))
		if err != nil || len(ports) == 0 {
			t.Fatalf("%s: %v, %v", walk, ports, err)
		}
		isKind(t, s.SetVLAN(within(t, time.Minute), ports[0].Index, 7), fault.KindRefused)
		_, err = s.Find(within(t, time.Minute), outofband.ByMAC, "00:16:3e:00:00:01")
		isKind(t, err, fault.KindNotFound)
		_, err = s.Find(within(t, time.Minute), outofband.ByLLDP, "00:16:3e:00:00:01")
		isKind(t, err, fault.KindNotFound)
	}
}
