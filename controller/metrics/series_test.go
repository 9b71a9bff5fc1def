package metrics

import (
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var measured = time.Unix(1_795_000_000, 0)

// sampleServers are one of which all is known, and one of which nothing is.
func sampleServers(yield func(*Machine)) {
	yield(&Machine{
		ID: "srv-1", Name: `web"1`, Location: "loc-1", Approval: "approved", Claim: "none", Environment: "installed", Connected: true, Month: "2026-11",
		Disks: []hardware.Disk{{Name: "nvme0n1", Serial: "S1", SMART: &hardware.SMART{Passed: true, WearPercent: 42, MediaErrors: 3}}, {Name: "sda"}},
		Sample: &hardware.Sample{
			MemTotal: 64 << 30, MemAvail: 32 << 30,
			FS:         []hardware.Filesystem{{Mount: "/", TotalBytes: 1 << 40, FreeBytes: 1 << 39, Inodes: 1000, InodesFree: 10}, {Mount: "/", TotalBytes: 1}, {Mount: "/boot/efi", TotalBytes: 5}},
			Interfaces: []hardware.Interface{{Name: "eth0", RxBytes: 7, TxBytes: 8}},
		},
		SampleAt: measured, Gaps: 2,
		Traffic: &usage.ServerFigures{
			Source: usage.SourceSwitch, In: 100, Out: 200, At: measured,
			Months: []usage.ServerMonth{{Month: "2026-11", In: 10, Out: 20, P95In: 800, P95Out: 8000, Gap: true}},
		},
	})
	yield(&Machine{ID: "srv-2", Name: "idle", Approval: "pending", Claim: "none", Month: "2026-11", Gaps: -1, Traffic: &usage.ServerFigures{Source: usage.SourceAgent, In: 5, Out: 6, Months: []usage.ServerMonth{{Month: "2026-10", In: 9}}}})
}

func sampleAccounts() iter.Seq[*usage.Figures] {
	over := usage.Was("2026-11", &usage.Traffic{protocol.UsageWWW: {In: 1, Out: 2 << 20}, protocol.UsageFTP: {In: 3, Out: 4}, protocol.UsageMail: {In: 5, Out: 6}}, reselling.AtMost(1), measured, false)
	return slices.Values([]*usage.Figures{
		{
			Account: "acc-1", Domain: "one.example", User: "one", Reseller: "rsl-1/rsl-2", Customer: "cus-1", Server: "srv-1",
			Storage: usage.Takes(&usage.Space{Home: 1, WWW: 2, Mail: 3, Databases: 4, At: uint64(measured.Unix())}, reselling.AtMost(0)), Months: []usage.Month{over},
		},
		{Account: "acc-2", Domain: "two.example", Server: "srv-1", Storage: usage.Storage{Limit: reselling.NoLimit}, Months: []usage.Month{{Month: "2026-11", Limit: reselling.NoLimit, Gap: true}}},
		{Account: "acc-3", Domain: "gone.example", GoneAt: measured},
		{Account: "acc-4", Domain: "huge.example", Storage: usage.Storage{Limit: reselling.AtMost(math.MaxUint64)}},
	})
}

// textOf is what a handler answers.
func textOf(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// everyText is what all three paths show.
func everyText(t *testing.T) string {
	t.Helper()
	return scrapeText(t, filled()) + textOf(t, Servers(sampleServers)) + textOf(t, Accounts(sampleAccounts))
}

// lines are the samples of a text whose labels hold some text.
func lines(text, label string) (n int) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, label) {
			n++
		}
	}
	return n
}

func wantLines(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
}

func TestU10_ServersAreShown(t *testing.T) {
	text := textOf(t, Servers(sampleServers))
	wantLines(
		t, text,
		`steelyard_server_info{server="srv-1",name="web\"1",location="loc-1",approval="approved",claim="none",environment="installed"} 1`,
		`steelyard_server_connected{server="srv-1",name="web\"1"} 1`,
		`steelyard_server_connected{server="srv-2",name="idle"} 0`,
		`steelyard_server_memory_bytes{server="srv-1",name="web\"1"} 68719476736`,
		`steelyard_server_sample_timestamp_seconds{server="srv-1",name="web\"1"} 1795000000`,
		`steelyard_server_traffic_bytes_total{server="srv-1",name="web\"1",source="switch",direction="out"} 200`,
		`steelyard_server_traffic_bytes_total{server="srv-2",name="idle",source="agent",direction="in"} 5`,
		`steelyard_server_traffic_gaps_total{server="srv-1",name="web\"1"} 2`,
		`steelyard_server_traffic_month_bytes{server="srv-1",name="web\"1",direction="in"} 10`,
		`steelyard_server_traffic_month_p95_bytes_per_second{server="srv-1",name="web\"1",direction="out"} 1000`,
		`steelyard_server_traffic_month_gap{server="srv-1",name="web\"1"} 1`,
		`steelyard_server_filesystem_free_bytes{server="srv-1",name="web\"1",mount="/"} 549755813888`,
		`steelyard_server_disk_wear_ratio{server="srv-1",name="web\"1",disk="0:nvme0n1",serial="S1"} 0.42`,
		`steelyard_server_interface_bytes_total{server="srv-1",name="web\"1",interface="eth0",direction="out"} 8`,
	)
	for label, want := range map[string]int{`mount="/"`: 4, `mount="/boot/efi"`: 2, `disk="1:sda"`: 0, `server="srv-2"`: 1 + 2 + 2} {
		if got := lines(text, label); got != want {
			t.Errorf("%d series have %s, not %d:\n%s", got, label, want, text)
		}
	}
}

func TestC20_AccountsAreShownByClassWithTheirLimits(t *testing.T) {
	text := textOf(t, Accounts(sampleAccounts))
	wantLines(
		t, text,
		`steelyard_account_info{account="acc-1",domain="one.example",user="one",reseller="rsl-1/rsl-2",customer="cus-1",server="srv-1"} 1`,
		`steelyard_account_storage_bytes{account="acc-1",domain="one.example",class="home"} 1`,
		`steelyard_account_storage_bytes{account="acc-1",domain="one.example",class="databases"} 4`,
		`steelyard_account_storage_limit_bytes{account="acc-1",domain="one.example"} 0`, // a real zero
		`steelyard_account_storage_measured_timestamp_seconds{account="acc-1",domain="one.example"} 1795000000`,
		`steelyard_account_traffic_bytes_total{account="acc-1",domain="one.example",class="www",direction="out"} 2097152`,
		`steelyard_account_traffic_bytes_total{account="acc-1",domain="one.example",class="mail",direction="in"} 5`,
		`steelyard_account_traffic_limit_bytes{account="acc-1",domain="one.example"} 1048576`,
		`steelyard_account_over_limit{account="acc-1",domain="one.example",limit="storage"} 1`,
		`steelyard_account_over_limit{account="acc-1",domain="one.example",limit="traffic"} 1`,
		`steelyard_account_traffic_gap{account="acc-2",domain="two.example"} 1`,
	)
}

func TestX12_NoLimitAndNoFigureAreNoSeries(t *testing.T) {
	text := textOf(t, Accounts(sampleAccounts))
	for label, want := range map[string]int{`account="acc-2"`: 1 + 6 + 1 + 1, "acc-3": 0, "acc-4": 1} { // info, classes, gap, over the limit of traffic
		if got := lines(text, label); got != want {
			t.Errorf("%d series have %s, not %d:\n%s", got, label, want, text)
		}
	}
	for _, never := range []string{`limit_bytes{account="acc-2"`, `storage_bytes{account="acc-2"`, `limit_bytes{account="acc-4"`} {
		if strings.Contains(text, never) {
			t.Errorf("%s is shown", never)
		}
	}
}

func TestU10_DiscoveryNamesEachReplicaOnceForEachPath(t *testing.T) {
	text := textOf(t, Discovery(true, func() []fleet.Replica {
		return []fleet.Replica{{ID: "rep-2", Address: "b:8080", Scheme: "https"}, {ID: "rep-1", Address: "a:8080", Scheme: "https"}, {ID: "rep-0", Address: "b:8080", Scheme: "https"}}
	}))
	for _, one := range []string{"a:8080", "b:8080"} {
		if n := strings.Count(text, `"targets":["`+one+`"]`); n != 3 {
			t.Errorf("%s is named %d times:\n%s", one, n, text)
		}
	}
	for _, want := range []string{`"__metrics_path__":"/metrics/accounts","__scheme__":"https","level":"accounts"`} {
		if strings.Count(text, want) != 2 {
			t.Errorf("%s is not named twice:\n%s", want, text)
		}
	}
	without := textOf(t, Discovery(false, func() []fleet.Replica { return []fleet.Replica{{ID: "rep-1", Address: "a:8080", Scheme: "https"}} }))
	if strings.Contains(without, "accounts") || !strings.Contains(without, "/metrics/servers") {
		t.Errorf("a controller that shows no accounts says %s", without)
	}
	if none := textOf(t, Discovery(true, func() []fleet.Replica { return nil })); strings.TrimSpace(none) != "[]" {
		t.Errorf("without replicas it says %s", none)
	}
}
