package cli

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// used is a usage.Reader of two accounts and one server.
type used struct{}

func (used) one(id, domain string, home uint64) core.Figures {
	limit := reselling.AtMost(1)
	var t core.Traffic
	t[protocol.UsageFTP].In = home
	return core.Figures{
		Account: id, Domain: domain, User: "u", Server: "srv-1", Storage: core.Takes(&core.Space{Home: home, At: uint64(clock.Unix()) - 180}, limit),
		Months: []core.Month{core.Was("2026-11", &t, limit, clock, false), core.Was("2026-10", &t, reselling.NoLimit, clock, true)},
	}
}

func (u used) Each(string) iter.Seq[*core.Figures] {
	return func(yield func(*core.Figures) bool) {
		a, b := u.one("acc-1", "big.example", 3<<20), u.one("acc-2", "small.example", 1<<20)
		_ = yield(&a) && yield(&b)
	}
}
func (u used) On(_, month string) iter.Seq[*core.Figures] { return u.Each(month) }
func (u used) Account(id string) (core.Figures, bool)     { return u.one(id, "big.example", 3<<20), true }
func (used) Months() []string                             { return []string{"2026-11", "2026-10"} }
func (used) Zone() string                                 { return "Europe/Berlin" }
func (used) Now() string                                  { return "2026-11" }
func (used) Server(string) (core.ServerFigures, bool) {
	return core.ServerFigures{Source: core.SourceAgent, In: 2 << 30, Out: 1 << 30, Since: clock, At: clock, Months: []core.ServerMonth{
		{Month: "2026-11", Source: core.SourceAgent, In: 2 << 30, Out: 1 << 30, P95In: 12_300_000, P95Out: 900, Days: []core.Day{{Day: 4, In: 2 << 30, Out: 1 << 30}}, At: clock, Gap: true},
	}}, true
}

// usage asks for all that was used, of the API itself.
// quarters is what the node of the account tells.
func (used) quarters(_ context.Context, _, _ string, from, _ int64) ([]protocol.QuarterUsage, error) {
	q := protocol.QuarterUsage{Quarter: from + 1}
	q.Traffic[protocol.UsageWWW] = protocol.Traffic{In: 1 << 10, Out: 5 << 20}
	return []protocol.QuarterUsage{q}, nil
}

func (r *real) usage() {
	r.t.Helper()
	r.change(func(tx *store.Tx) error { return store.Presences.Put(tx, "srv-1", fleet.Presence{Server: "srv-1"}) })
	defer r.change(func(tx *store.Tx) error { return store.Presences.Delete(tx, "srv-1") })
	for command, words := range map[string]string{
		"usage storage --sort -total": "big.example\t3 MiB\t0 B\t0 B\t0 B\t3 MiB\t1 MiB\t", "usage traffic --month 2026-10 --server node1": "sum of 2 accounts",
		"usage traffic --csv": "2026-11,total,2 accounts", "account usage example.de": "2026-10", "account quarter-hours example.de": "2026-10-31 23:15\t1 KiB\t5 MiB\t5 MiB\twww 5 MiB", "server usage node1": "12.3 Mbit/s", "server usage node1 --month 2026-11": "2026-11-04\t2 GiB",
	} {
		if res := r.do("", command); !strings.Contains(res.out, words) {
			r.t.Errorf("%s prints %q, without %q", command, res.out, words)
		}
	}
}

const storageAnswer = `{"items":[
 {"account":"acc-1","domain":"a.example","user":"a","measured":{"home_bytes":1048576,"www_bytes":0,"mail_bytes":0,"databases_bytes":1,"total_bytes":1048577},"measured_at":"2026-11-22T11:57:00Z","disk_mib":1,"over_limit":true},
 {"account":"acc-2","domain":"b.example","user":"b","measured":{"home_bytes":1048576,"www_bytes":0,"mail_bytes":0,"databases_bytes":0,"total_bytes":1048576},"measured_at":"2026-11-22T09:00:00Z","disk_mib":1,"over_limit":false},
 {"account":"acc-3","domain":"c.example","user":"c","disk_mib":"no limit","over_limit":false}],
 "sum":{"accounts":3,"over_limit":1,"unmeasured":1,"home_bytes":2097152,"www_bytes":0,"mail_bytes":0,"databases_bytes":1,"total_bytes":2097153,"oldest_at":"2026-11-22T09:00:00Z"},"next":"","total":3}`

// TestC20_MoreThanTheLimitIsMarkedAndSaid: without a terminal there is no colour, and nothing is lost.
func TestC20_MoreThanTheLimitIsMarkedAndSaid(t *testing.T) {
	f := newFake(t).on("GET /v1/usage/storage", ok(storageAnswer))
	f.steelyard(t, "usage", "storage", "--over-limit").want(t, 0, strings.Join([]string{
		"ACCOUNT\tHOME\tWWW\tMAIL\tDATABASES\tTOTAL\tLIMIT\tMEASURED\tSTATE",
		"a.example\t1 MiB\t0 B\t0 B\t1 B\t1 MiB\t1 MiB\t3 min ago\t! over limit, 100 %",
		"b.example\t1 MiB\t0 B\t0 B\t0 B\t1 MiB\t1 MiB\t3 h ago\t100 %",
		"c.example\t-\t-\t-\t-\t-\tno limit\t-\t? not measured yet",
		"sum of 3 accounts\t2 MiB\t0 B\t0 B\t1 B\t2 MiB\t\t3 h ago\t! 1 over limit, ? 1 not measured yet", "",
	}, "\n"), "")
	if q := f.requests("GET /v1/usage/storage")[0].query; q != "over_limit=true" {
		t.Errorf("asked for %s", q)
	}
}

const trafficAnswer = `{"month":"2026-10","time_zone":"Europe/Berlin","months":["2026-11","2026-10"],"items":[
 {"account":"acc-1","domain":"a.example","user":"a","gone_at":"2026-10-05T00:00:00Z","www_bytes":5,"ftp_bytes":1048576,"mail_bytes":0,"total_bytes":1048581,"in_bytes":1,"out_bytes":2,"traffic_mib":1,"over_limit":true,"counted_until":"2026-11-22T11:59:00Z","gap":true},
 {"account":"acc-2","domain":"b.example","user":"b","www_bytes":0,"ftp_bytes":0,"mail_bytes":0,"total_bytes":0,"in_bytes":0,"out_bytes":0,"traffic_mib":10,"over_limit":false}],
 "sum":{"accounts":2,"over_limit":1,"www_bytes":5,"ftp_bytes":1048576,"mail_bytes":0,"total_bytes":1048581,"in_bytes":1,"out_bytes":2},"next":"abc","total":7}`

func TestC21_TrafficTellsGapsAndWhatIsGone(t *testing.T) {
	newFake(t).on("GET /v1/usage/traffic", ok(trafficAnswer)).steelyard(t, "usage", "traffic", "--month", "2026-10").want(t, 0, strings.Join([]string{
		"ACCOUNT\tWWW\tFTP\tMAIL\tTOTAL\tLIMIT\tCOUNTED UNTIL\tSTATE",
		"a.example\t5 B\t1 MiB\t0 B\t1 MiB\t1 MiB\t1 min ago\t! over limit, 100 %, deleted 2026-10-05: acc-1, ~ gap: logs were lost, perhaps more",
		"b.example\t0 B\t0 B\t0 B\t0 B\t10 MiB\t-\t0 %, ? not counted yet",
		"sum of 2 accounts\t5 B\t1 MiB\t0 B\t1 MiB\t\t\t! 1 over limit", "",
	}, "\n"), "traffic in 2026-10 (Europe/Berlin)\n2 of 7 shown; --all shows the rest, --cursor abc the next page\n")
}

// TestC20_ColourAddsNothing: with colours the same words are printed, and only what is over its limit is red.
func TestC20_ColourAddsNothing(t *testing.T) {
	f := figures{header: []string{"ACCOUNT", "TOTAL", "STATE"}, left: 1, sum: []string{"sum", "3 B", "! 1 over limit"}}
	f.add(true, "a.example", "2 B", "! over limit")
	f.add(false, "b.example", "1 B", "")
	plain, coloured := f.aligned(80, false), f.aligned(80, true)
	if strings.Contains(plain, "\x1b") {
		t.Errorf("NO_COLOR is not honoured: %q", plain)
	}
	lines := strings.Split(coloured, "\n")
	for i, line := range lines {
		if red := strings.Contains(line, "\x1b[31m"); red != strings.Contains(line, "a.example") {
			t.Errorf("line %d is %q", i, line)
		}
	}
	bare := strings.NewReplacer("\x1b[1m", "", "\x1b[31m", "", "\x1b[0m", "").Replace(coloured)
	if strings.Join(strings.Fields(bare), " ") != strings.Join(strings.Fields(plain), " ") {
		t.Errorf("colour adds or loses words: %q", coloured)
	}
}

func TestU2_QuarterHoursSayWhatTheyAreOf(t *testing.T) {
	const answer = `{"account":"acc-1","domain":"a.example","month":"2026-10","time_zone":"Europe/Berlin","gap":true,"items":[
 {"begins":"2026-10-03T22:15:00Z","www_bytes":1048576,"ftp_bytes":0,"mail_bytes":3,"total_bytes":1048579,"in_bytes":3,"out_bytes":1048576}],
 "sum":{"www_bytes":1048576,"ftp_bytes":0,"mail_bytes":3,"total_bytes":1048579,"in_bytes":3,"out_bytes":1048576}}`
	newFake(t).on("GET /v1/accounts/acc-06h0v8fyjjm94m4f/usage/quarter-hours", ok(answer)).
		steelyard(t, "account", "quarter-hours", "acc-06h0v8fyjjm94m4f", "--month", "2026-10").want(t, 0, strings.Join([]string{
		"BEGINS\tRECEIVED\tSENT\tTOTAL\tOF IT",
		"2026-10-03 22:15\t3 B\t1 MiB\t1 MiB\twww 1 MiB, mail 3 B",
		"sum of 2026-10\t3 B\t1 MiB\t1 MiB\twww 1 MiB, mail 3 B",
	}, "\n")+"\n", "traffic of a.example in 2026-10 (Europe/Berlin), by quarter-hours of UTC, counted until -\n~ logs of its server were lost in this month: it was perhaps more\n")
}
