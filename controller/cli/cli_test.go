package cli

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const srv, loc = "srv-0000000000000001", "loc-0000000000000001"

const serverPage = `{"items": [
  {"id":"srv-0000000000000001","name":"web1","location":"loc-0000000000000001","environment":"ram","approval":"approved","claim":{"kind":"none"},
   "connected":true,"power":{"driver":"ipmi","state":"on"},"available":false,"traffic":{"in_bytes":3221225472,"out_bytes":1536},"configuration_text":"1 × X\u001b[31m\u202e"}],
 "next":"abc","total":7}`

const locationPage = `{"items":[{"id":"loc-0000000000000001","name":"Frankfurt"}],"next":"","total":1}`

func TestX11_ListIsOneRequestAndPrintedAsItCame(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage))
	f.steelyard(t, "server", "list", "-o", "json", "--available", "--claim", "none,held", "--sort", "-name", "--limit", "5", "-q", "web").
		want(t, done, serverPage+"\n", "")
	if got := f.requests("GET /v1/servers"); len(f.got) != 1 || got[0].query != "available=true&claim=none%2Cheld&limit=5&q=web&sort=-name" {
		t.Errorf("requests %+v", f.got)
	}
	if got := f.got[0].header.Get("Authorization"); got != "Bearer tok-secret" {
		t.Errorf("authorization %q", got)
	}
}

func TestTableWithoutTerminalIsPlainAndClean(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/locations", ok(locationPage))
	f.steelyard(t, "server", "list").want(t, done,
		"NAME\tLOCATION\tENVIRONMENT\tAPPROVAL\tLABEL\tCLAIM\tOWNER\tCONNECTED\tPOWER\tAVAILABLE\tIN\tOUT\tMEASURED\tID\tCONFIGURATION\n"+
			"web1\tFrankfurt\tram\tapproved\t\tnone\t\tyes\ton\tno\t3 GiB\t1.5 KiB\t\tsrv-0000000000000001\t1 × X[31m\n",
		"1 of 7 shown; --all shows the rest, --cursor abc the next page\n")
}

func TestFilterByNameIsResolved(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/locations", ok(locationPage))
	f.steelyard(t, "server", "list", "--location", "frankfurt", "--all", "-o", "json")
	if got := f.requests("GET /v1/servers"); len(got) != 1 || got[0].query != "all=true&location="+loc {
		t.Errorf("requests %+v", got)
	}
}

func TestExitStatusTellsUsageFromRefusal(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", problem(http.StatusForbidden, "denied", "marketing may not see this"))
	for command, status := range map[string]int{
		"server list":                  failed,
		"server":                       misused,
		"server lst":                   misused,
		"nonsense":                     misused,
		"server show":                  misused,
		"server show a b":              misused,
		"server list --nonsense":       misused,
		"server list -o xml":           misused,
		"location create --name x":     misused,
		"server edit " + srv:           misused,
		"token create --name x":        misused,
		"match":                        misused,
		"task comment tsk-1":           misused,
		"server erase " + srv:          misused, // nobody there to say yes
		"--version":                    done,
		"server list --help":           done,
		"completion bash":              done,
		"order place --tariff x --api": misused,
	} {
		if r := f.steelyard(t, strings.Fields(command)...); r.status != status {
			t.Errorf("steelyard %s: status %d, want %d; %s", command, r.status, status, r.err)
		}
	}
	f.steelyard(t, "server", "lst").contains(t, misused, "", `did you mean list?`)
}

func TestX13_AllFieldsAreToldAsFlags(t *testing.T) {
	f := newFake(t).on("POST /v1/modules", problem(422, "invalid", "the request is not valid",
		"body.diagtimeout is 0; give whole minutes from 1 to 720", "body.installtimeout_linux is 900; give whole minutes from 1 to 720"))
	args := []string{"module", "create", "--name", "m", "--location", loc, "--department", "hands", "--diagtimeout", "0", "--installtimeout-linux", "900", "--installtimeout-windows", "10"}
	f.steelyard(t, args...).want(t, failed, "", `steelyard: the request is not valid
  --diagtimeout is 0; give whole minutes from 1 to 720
  --installtimeout-linux is 900; give whole minutes from 1 to 720
`)
	r := f.steelyard(t, append(args, "-o", "json")...)
	if r.out != "" || body(t, r.err)["detail"] != "the request is not valid" {
		t.Errorf("with -o json the problem is not told as it came: %+v", r)
	}
	sent := body(t, f.requests("POST /v1/modules")[0].body)
	if sent["diagtimeout"] != 0.0 || sent["location"] != loc || len(sent) != 6 {
		t.Errorf("sent %v", sent)
	}
}

func TestX13_NoFieldIsToldTwice(t *testing.T) {
	f := newFake(t).on("POST /v1/locations", problem(422, "invalid", "body.name is empty; give 1 to 100 characters", "body.name is empty; give 1 to 100 characters"))
	f.steelyard(t, "location", "create", "--name", "", "--external-id", "x").
		want(t, failed, "", "steelyard: this is not valid\n  --name is empty; give 1 to 100 characters\n")
}

func TestHelpTellsWhatIsRequired(t *testing.T) {
	r := newFake(t).steelyard(t, "location", "create", "--help")
	if !strings.Contains(r.out, "around this one (required)") || strings.Contains(r.out, "lowest first (required)") {
		t.Errorf("%s", r.out)
	}
}

func TestPlainHTTPToATLSPortIsExplained(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain := strings.Replace(srv.URL, "https:", "http:", 1)
	runWith(t, map[string]string{"STEELYARD_URL": plain}, "", Hooks{}, "whoami").contains(t, failed, "", "set STEELYARD_URL to "+srv.URL)
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for kind, want := range map[string]struct {
		status int
		hint   string
	}{
		"login_required": {401, "steelyard login"},
		"denied":         {403, "steelyard whoami"},
		"conflict":       {412, "Somebody changed it"},
		"internal":       {500, "request req-1"},
	} {
		f := newFake(t).on("GET /v1/whoami", problem(want.status, kind, "no"))
		f.steelyard(t, "whoami").contains(t, failed, "", want.hint)
	}
	runWith(t, map[string]string{"STEELYARD_URL": "http://127.0.0.1:1"}, "", Hooks{}, "whoami").contains(t, failed, "", "is the controller running")
	newFake(t).on("GET /v1/locations", ok(`{"items":[],"next":"","total":0}`)).
		steelyard(t, "location", "show", "x").contains(t, failed, "", `there is no location "x"; see: steelyard location list`)
}

func TestEditChangesOnlyWhatWasRead(t *testing.T) {
	f := newFake(t).
		on("GET /v1/locations/"+loc, answer{200, `{"id":"` + loc + `","name":"old"}`, map[string]string{"ETag": `"41"`}}).
		on("PATCH /v1/locations/"+loc, ok(`{"id":"`+loc+`","name":"new"}`))
	f.steelyard(t, "location", "edit", loc, "--name", "new", "--sort-order", "0").want(t, done, "location new ("+loc+") changed\n", "")
	got := f.requests("PATCH /v1/locations/" + loc)
	if len(got) != 1 || got[0].header.Get("If-Match") != `"41"` || got[0].body != `{"name":"new","sort_order":0}` {
		t.Errorf("sent %+v", got)
	}
}

func TestX10_CreatingIsRepeatedUnderOneKey(t *testing.T) {
	busy := problem(503, "unavailable", "etcd cannot be reached")
	f := newFake(t).on("POST /v1/locations", busy, busy, ok(`{"id":"`+loc+`","name":"n"}`))
	f.steelyard(t, "location", "create", "--name", "n", "--external-id", "e").contains(t, done, "created", "")
	got := f.requests("POST /v1/locations")
	if len(got) != 3 {
		t.Fatalf("%d requests", len(got))
	}
	for _, s := range got {
		if key := s.header.Get("Idempotency-Key"); key == "" || key != got[0].header.Get("Idempotency-Key") || s.body != got[0].body {
			t.Errorf("request with key %q and body %s", key, s.body)
		}
	}
	g := newFake(t).on("GET /v1/locations/"+loc, ok(`{"id":"`+loc+`"}`)).on("PATCH /v1/locations/"+loc, busy)
	g.steelyard(t, "location", "edit", loc, "--name", "n").contains(t, failed, "", "Try again in 5s")
	if got := g.requests("PATCH /v1/locations/" + loc); len(got) != 1 {
		t.Errorf("a change was sent %d times", len(got))
	}
}

func TestDestructionNeedsAYes(t *testing.T) {
	f := newFake(t).on("POST /v1/servers/"+srv+"/operations", ok(`{"id":"opn-0000000000000001","kind":"erase"}`))
	f.steelyard(t, "server", "erase", srv).contains(t, misused, "", "add --yes")
	if len(f.got) != 0 {
		t.Fatalf("requests before the yes: %+v", f.got)
	}
	f.steelyard(t, "server", "erase", srv, "--yes").want(t, done, "operation opn-0000000000000001 started\n", "")
	if got := f.got[0].body; got != `{"kind":"erase"}` {
		t.Errorf("sent %s", got)
	}
}

func TestB25_WhyIsAnswered(t *testing.T) {
	f := newFake(t).on("GET /v1/servers/"+srv+"/why", ok(`{"server":"`+srv+`","available":false,"reasons":[
		{"rule":"B20","message":"it is in maintenance: fan","since":"2026-11-22T11:57:00Z"},{"rule":"B23","message":"its agent is not connected","waived":true}]}`))
	r := f.steelyard(t, "server", "why", srv)
	r.contains(t, done, "is not available, because\n  B20  it is in maintenance: fan, since ", "")
	r.contains(t, done, "(3 min ago)\n  B23  its agent is not connected (accepted by an operator)\n", "")
}

func TestActionsGoToTheirRoutes(t *testing.T) {
	const task, op = "tsk-0000000000000001", "opn-0000000000000001"
	for command, want := range map[string]string{
		"server approve " + srv:                                "POST /v1/servers/" + srv + "/approve",
		"server reject " + srv + " --yes --reason r":           `POST /v1/servers/` + srv + `/reject {"reason":"r"}`,
		"server maintenance " + srv + " --reason r":            `PUT /v1/servers/` + srv + `/maintenance {"reason":"r"}`,
		"server maintenance " + srv + " --reason r --until 2d": `PUT /v1/servers/` + srv + `/maintenance {"reason":"r","until":"2026-11-24T12:00:00Z"}`,
		"server override " + srv + " --reason r --until 90m":   `PUT /v1/servers/` + srv + `/override {"reason":"r","until":"2026-11-22T13:30:00Z"}`,
		"server retire " + srv + " -y --reason r --dirty":      `POST /v1/servers/` + srv + `/retire {"dirty":true,"reason":"r"}`,
		"server adopt " + srv + " -y --reason r --as " + srv:   `POST /v1/servers/` + srv + `/adopt {"as":"` + srv + `","reason":"r"}`,
		"server end-maintenance " + srv:                        "DELETE /v1/servers/" + srv + "/maintenance",
		"server override " + srv + " --reason r":               `PUT /v1/servers/` + srv + `/override {"reason":"r"}`,
		"server diagnose " + srv + " --profile quick":          `POST /v1/servers/` + srv + `/operations {"kind":"diagnose","params":{"profile":"quick"}}`,
		"operation retry " + op:                                "POST /v1/operations/" + op + "/retry",
		"operation skip " + op + " -y --reason r":              `POST /v1/operations/` + op + `/skip {"reason":"r"}`,
		"task comment " + task + " --text hello":               `POST /v1/tasks/` + task + `/comments {"text":"hello"}`,
		"task assign " + task + " --assignee ann":              `POST /v1/tasks/` + task + `/assign {"assignee":"ann"}`,
		"task close " + task + " --reason r":                   `POST /v1/tasks/` + task + `/close {"reason":"r"}`,
		"image retire img-0000000000000001 --yes":              "POST /v1/images/img-0000000000000001/retire",
		"user disable usr-0000000000000001":                    "POST /v1/users/usr-0000000000000001/disable",
		"order cancel ord-0000000000000001 --reason r":         `POST /v1/orders/ord-0000000000000001/cancel {"reason":"r"}`,
		"catalogue refresh":                                    "POST /v1/catalogue/refresh",
	} {
		route, sent, _ := strings.Cut(want, " {")
		f := newFake(t).on(route, ok(`{"id":"x-1"}`))
		if r := f.steelyard(t, strings.Fields(command)...); r.status != done {
			t.Errorf("steelyard %s: %+v", command, r)
			continue
		}
		if got := f.requests(route); len(got) != 1 || got[0].body != strings.TrimSuffix("{"+sent, "{") {
			t.Errorf("steelyard %s sent %+v", command, f.got)
		}
	}
}

// TestX1_WhatIsConfirmedWithoutQuestionWasNamed: --yes does not mean whatever the machine reports just now.
func TestX1_WhatIsConfirmedWithoutQuestionWasNamed(t *testing.T) {
	const route = "POST /v1/servers/" + srv + "/identity/confirm"
	f := newFake(t).on("GET /v1/servers/"+srv, ok(`{"id":"`+srv+`","name":"web1","pending_identity":{"id":"new","changes":["board serial B1 is now B2"]}}`)).on(route, ok(`{"id":"`+srv+`","name":"web1"}`))
	f.steelyard(t, "server", "identity", "confirm", srv, "--yes", "--reason", "r").contains(t, misused, "", "--identity")
	f.steelyard(t, "server", "identity", "confirm", srv, "--identity", "seen", "--reason", "r").contains(t, misused, "", "add --yes")
	if len(f.requests(route)) > 0 {
		t.Fatal("it was confirmed")
	}
	f.steelyard(t, "server", "identity", "confirm", srv, "--yes", "--identity", "seen", "--reason", "r").contains(t, done, "web1", "board serial B1 is now B2")
	if got := f.requests(route); len(got) != 1 || got[0].body != `{"identity":"seen","reason":"r"}` {
		t.Errorf("sent %+v", got)
	}
	g := newFake(t).on("GET /v1/servers/"+srv, ok(`{"id":"`+srv+`","name":"web1"}`))
	g.steelyard(t, "server", "identity", "reject", srv, "--reason", "r").contains(t, failed, "", "nothing to confirm")
}

func TestATimeToComeIsReadAsPeopleSayIt(t *testing.T) {
	p := &program{world: world{now: func() time.Time { return clock }}}
	for text, want := range map[string]string{
		"4h": "2026-11-22T16:00:00Z", "30d": "2026-12-22T12:00:00Z", "2026-12-01": "2026-12-01T00:00:00Z", "2026-12-01T10:00:00+01:00": "2026-12-01T09:00:00Z",
		"": "", "soon": "", "d": "", "-1d": "", "99999d": "",
	} {
		if got, err := p.moment("--until", text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

func TestShowOutlinesTheRecord(t *testing.T) {
	f := newFake(t).on("GET /v1/servers/"+srv, ok(`{"id":"`+srv+`","name":"web1","claim":{"kind":"client","ref":"svc-1","since":"2026-11-22T10:00:00Z"},
		"memory_bytes":68719476736,"reasons":[{"rule":"B17","message":"owned"}],"macs":["a","b"],"rack":"","maintenance":null,"inventory":{"x":1}}`))
	r := f.steelyard(t, "server", "show", srv)
	for _, want := range []string{"name:    web1\n", "claim:\n  kind:   client\n", "(2 h ago)\n", "memory:  64 GiB\n", "reasons:\n  - rule:     B17\n    message:  owned\n", "macs:    a, b\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q lacks %q", r.out, want)
		}
	}
	for _, absent := range []string{"rack", "maintenance", "inventory"} {
		if strings.Contains(r.out, absent) {
			t.Errorf("%q tells the empty or hidden %s", r.out, absent)
		}
	}
	f.steelyard(t, "server", "show", srv, "--all").contains(t, done, "inventory:\n  x:  1\n", "")
}

func TestCompletionOffersNames(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/locations", ok(locationPage))
	f.steelyard(t, "__complete", "server", "show", "we").contains(t, done, "web1\tsrv-0000000000000001\n", "")
	f.steelyard(t, "__complete", "server", "show", "srv-").contains(t, done, "srv-0000000000000001\tweb1\n", "")
	f.steelyard(t, "__complete", "module", "create", "--location", "").contains(t, done, "Frankfurt\tloc-0000000000000001\n", "")
	f.steelyard(t, "__complete", "server", "list", "-o", "").contains(t, done, "json\n", "")
	none := runWith(t, map[string]string{"STEELYARD_URL": "http://127.0.0.1:1"}, "", Hooks{}, "__complete", "server", "show", "")
	if none.status != done || strings.Contains(none.out, "srv") {
		t.Errorf("completion without a controller: %+v", none)
	}
}

// TestB43_ABondIsTakenAwayByNamingNone: an empty value is sent, not left out.
func TestB43_ABondIsTakenAwayByNamingNone(t *testing.T) {
	f := newFake(t).
		on("GET /v1/servers/"+srv, answer{200, `{"id":"` + srv + `","name":"web1","bond_mode":"802.3ad"}`, map[string]string{"ETag": `"7"`}}).
		on("PATCH /v1/servers/"+srv, ok(`{"id":"`+srv+`","name":"web1"}`))
	f.steelyard(t, "server", "edit", srv, "--bond-mode", "").contains(t, done, "changed", "")
	f.steelyard(t, "server", "edit", srv, "--bond-mode", "active-backup", "--bond-members", "52:54:00:aa:00:01,52:54:00:aa:00:02").contains(t, done, "changed", "")
	got := f.requests("PATCH /v1/servers/" + srv)
	if len(got) != 2 || got[0].body != `{"bond_mode":""}` || got[1].body != `{"bond_members":["52:54:00:aa:00:01","52:54:00:aa:00:02"],"bond_mode":"active-backup"}` {
		t.Errorf("sent %+v", got)
	}
}
