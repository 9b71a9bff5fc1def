package notify

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/pkg/fault"
)

// changed is the event of an open task of which a person or a clock changed something.
func changed(by func(*task.Task)) (Event, bool) {
	before := task.New("tsk-1", "dc-ops", task.Build, "build/1", "Rebuild", "Add a disk", time.Time{})
	after := before
	by(&after)
	return OfTask(&before, &after)
}

func TestX6_EachChangeOfStateIsOneEvent(t *testing.T) {
	open, done := &task.Task{State: task.Open}, &task.Task{State: task.Closed}
	running, held := &operation.Operation{State: operation.Running}, &operation.Operation{State: operation.Held}
	ordered, active := &order.Service{State: order.ServiceOrdered}, &order.Service{State: order.ServiceActive}
	sold, asking := &reselling.Sale{State: reselling.Sold}, &reselling.Sale{State: reselling.Asking}
	for _, c := range []struct {
		want string
		of   func() (Event, bool)
	}{
		{"task.opened", func() (Event, bool) { return OfTask(nil, open) }},
		{"task.closed", func() (Event, bool) { return OfTask(open, done) }},
		{"task.opened", func() (Event, bool) { return OfTask(done, open) }},
		{"", func() (Event, bool) { return OfTask(open, open) }},
		{"", func() (Event, bool) { return OfTask(nil, done) }},
		{"task.overdue", func() (Event, bool) { return changed(func(k *task.Task) { k.Overdue, k.Assignee = true, "kim" }) }},
		{"task.moved", func() (Event, bool) { return changed(func(k *task.Task) { k.Department, k.Assignee = "billing", "" }) }},
		{"task.assigned", func() (Event, bool) { return changed(func(k *task.Task) { k.Assignee = "kim" }) }},
		{"task.commented", func() (Event, bool) {
			return changed(func(k *task.Task) { k.Comments = []task.Comment{{Author: "kim", Text: "on my way"}} })
		}},
		{"", func() (Event, bool) { return changed(func(k *task.Task) { k.DueAt = time.Now() }) }},
		{"service.ordered", func() (Event, bool) { return OfService(nil, ordered) }},
		{"service.active", func() (Event, bool) { return OfService(ordered, active) }},
		{"", func() (Event, bool) { return OfService(active, active) }},
		{"operation.started", func() (Event, bool) { return OfOperation(nil, running) }},
		{"operation.held", func() (Event, bool) { return OfOperation(running, held) }},
		{"operation.resumed", func() (Event, bool) { return OfOperation(held, running) }},
		{"", func() (Event, bool) { return OfOperation(running, running) }},
		{"sale.sold", func() (Event, bool) { return OfSale(nil, sold) }},
		{"sale.asking", func() (Event, bool) { return OfSale(sold, asking) }},
		{"", func() (Event, bool) { return OfSale(asking, asking) }},
		{"account.making", func() (Event, bool) { return OfAccount(nil, &account.Account{State: account.Making}) }},
		{"account.gone", func() (Event, bool) {
			return OfAccount(&account.Account{State: account.Leaving}, &account.Account{State: account.Gone})
		}},
		{"", func() (Event, bool) {
			return OfAccount(&account.Account{State: account.There}, &account.Account{State: account.There})
		}},
	} {
		e, ok := c.of()
		if e.Type != c.want || ok != (c.want != "") {
			t.Errorf("got %q (%v), want %q", e.Type, ok, c.want)
		}
		if ok && !slices.Contains(Types(), e.Type) {
			t.Errorf("%s is in no list of types", e.Type)
		}
	}
}

// Whatever state a record can be in, its event is one that can be asked for.
func TestX6_EveryStateHasAType(t *testing.T) {
	for _, state := range enum(t, order.Service{}) {
		if e, _ := OfService(nil, &order.Service{State: state}); !slices.Contains(Types(), e.Type) {
			t.Errorf("service state %s makes %s, which nobody can ask for", state, e.Type)
		}
	}
	for _, state := range enum(t, reselling.Sale{}) {
		if e, _ := OfSale(nil, &reselling.Sale{State: state}); !slices.Contains(Types(), e.Type) {
			t.Errorf("sale state %s makes %s, which nobody can ask for", state, e.Type)
		}
	}
	for _, state := range enum(t, operation.Operation{}) {
		if e, _ := OfOperation(&operation.Operation{}, &operation.Operation{State: state}); !slices.Contains(Types(), e.Type) {
			t.Errorf("operation state %s makes %s, which nobody can ask for", state, e.Type)
		}
	}
}

func enum(t *testing.T, record any) []string {
	t.Helper()
	f, ok := reflect.TypeOf(record).FieldByName("State")
	if !ok || f.Tag.Get("enum") == "" {
		t.Fatalf("%T has no list of states", record)
	}
	return strings.Split(f.Tag.Get("enum"), ",")
}

// An event shows nothing that was not chosen to be shown.
func TestX9_EventsCarryNoParameters(t *testing.T) {
	op := operation.Operation{ID: "opn-1", State: operation.Failed, Params: operation.Params{SSHKeys: []string{"ssh-ed25519 KEY"}, Hostname: "h"}, Fault: fault.Internal("inner")}
	e, _ := OfOperation(nil, &op)
	body, err := e.Payload()
	if err != nil || strings.Contains(string(body), "KEY") || strings.Contains(string(body), "inner") {
		t.Errorf("%s %v", body, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || len(fields) != 3 || fields["type"] == nil || fields["timestamp"] == nil || fields["data"] == nil {
		t.Errorf("the payload %s is not type, timestamp and data (%v)", body, err)
	}
	long, _ := OfTask(nil, &task.Task{State: task.Open, Subject: strings.Repeat("ä", 5000), Body: strings.Repeat("ä", 5000)})
	if len(long.Data.Message) > MaxMessage || len(long.Data.Subject) > MaxMessage || !json.Valid([]byte(`"`+long.Data.Message+`"`)) {
		t.Errorf("an event grows to %d bytes", len(long.Data.Message))
	}
}

func TestX6_Patterns(t *testing.T) {
	for _, c := range []struct {
		pattern, kind string
		want          bool
	}{
		{"*", "task.opened", true},
		{"task.*", "task.opened", true},
		{"task.opened", "task.opened", true},
		{"task.closed", "task.opened", false},
		{"service.*", "task.opened", false},
		{"task", "task.opened", false},
	} {
		if got := Wanted([]string{"operation.held", c.pattern}, c.kind); got != c.want {
			t.Errorf("%s wants %s: %v", c.pattern, c.kind, got)
		}
	}
	for pattern, ok := range map[string]bool{"*": true, "task.*": true, "service.needs_attention": true, "server.*": false, "task.moved": true, "task.sold": false, "": false, "*.opened": false} {
		var c fault.Check
		CheckEvents(&c, "events", []string{pattern})
		if got := c.Err("x") == nil; got != ok {
			t.Errorf("pattern %q is valid: %v", pattern, got)
		}
	}
}

func TestX6_DeliveryIsTriedForOneToThreeDays(t *testing.T) {
	d := Delivery{State: Pending}
	start := time.Unix(1_000_000, 0)
	early, late := start, start
	for d.State == Pending {
		failed := Outcome{Status: 503, Error: "away"}
		low, high := d.After(failed, early, 0), d.After(failed, late, 1)
		if low.State == Pending {
			if !low.NextAt.Before(high.NextAt) && early.Equal(late) {
				t.Error("all receivers are asked again at the same moment")
			}
			early, late = low.NextAt, high.NextAt
		}
		d = low
	}
	if d.State != Dead || d.Attempts != MaxAttempts || d.Status != 503 || d.Error != "away" || d.EndedAt.IsZero() {
		t.Errorf("it ended as %+v", d)
	}
	if early.Sub(start) < 24*time.Hour || late.Sub(start) > 72*time.Hour {
		t.Errorf("given up after %s to %s", early.Sub(start), late.Sub(start))
	}
	if first := (Delivery{State: Pending}).After(Outcome{}, start, .5); first.NextAt.Sub(start) > 10*time.Second {
		t.Errorf("the second attempt comes after %s", first.NextAt.Sub(start))
	}
	again := d.Again(start)
	if again.State != Pending || again.Attempts != 0 || again.Error != "" || !again.EndedAt.IsZero() || !again.NextAt.Equal(start) {
		t.Errorf("sent again it is %+v", again)
	}
}

func TestX6_SomeFailuresAreFinal(t *testing.T) {
	now := time.Unix(1, 0)
	for _, c := range []struct {
		kind string
		o    Outcome
		want string
	}{
		{"task.opened", Outcome{OK: true, Status: 204}, Delivered},
		{"task.opened", Outcome{Permanent: true, Status: 550}, Dead},
		{"task.opened", Outcome{Gone: true, Status: 410}, Dead},
		{"task.opened", Outcome{Status: 500}, Pending},
		{Test, Outcome{Status: 500}, Dead},
	} {
		if got := (Delivery{State: Pending, Event: Event{Type: c.kind}}).After(c.o, now, 0); got.State != c.want {
			t.Errorf("%s after %+v: %s, want %s", c.kind, c.o, got.State, c.want)
		}
	}
}

func TestX13_WhereWebhooksGo(t *testing.T) {
	for url, want := range map[string][2]bool{ // valid, valid where private targets are allowed
		"https://billing.example.com/x?y=z":      {true, true},
		"http://billing.example.com/":            {false, true},
		"https://user:pw@example.com/":           {false, false},
		"https://example.com/#part":              {false, false},
		"ftp://example.com/":                     {false, false},
		"file:///etc/passwd":                     {false, false},
		"https:///nohost":                        {false, false},
		"https://:443/":                          {false, false},
		"":                                       {false, false},
		"https://a/" + strings.Repeat("x", 3000): {false, false},
	} {
		for i, private := range []bool{false, true} {
			var c fault.Check
			CheckURL(&c, "url", url, private)
			if got := c.Err("x") == nil; got != want[i] {
				t.Errorf("%.60q with private targets %v: valid is %v", url, private, got)
			}
		}
	}
}

func TestX13_MailServerAndAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"ops@example.com": true, "Ops <ops@example.com>": false, "ops": false, "a@b\r\nBcc: c@d": false, "ö@example.com": false, "a@b, c@d": false, "": false,
	} {
		if got := IsAddress(address); got != ok {
			t.Errorf("%q is an address: %v", address, got)
		}
	}
	good := MailServer{Host: "mail.example.com", Port: 587, Security: StartTLS, User: "u", From: "s@example.com", BaseURL: "https://s.example.com"}
	for name, c := range map[string]struct {
		change   func(*MailServer)
		password bool
		ok       bool
	}{
		"good":                   {func(*MailServer) {}, true, true},
		"none":                   {func(m *MailServer) { *m = MailServer{} }, false, true},
		"user without password":  {func(*MailServer) {}, false, false},
		"password without user":  {func(m *MailServer) { m.User = "" }, true, false},
		"password in clear text": {func(m *MailServer) { m.Security = Plain }, true, false},
		"plain without user":     {func(m *MailServer) { m.Security, m.User = Plain, "" }, false, true},
		"no port":                {func(m *MailServer) { m.Port = 0 }, true, false},
		"host with port":         {func(m *MailServer) { m.Host = "mail:25" }, true, false},
		"odd security":           {func(m *MailServer) { m.Security = "ssl" }, true, false},
		"odd link":               {func(m *MailServer) { m.BaseURL = "javascript:alert(1)" }, true, false},
	} {
		m := good
		c.change(&m)
		var check fault.Check
		m.Check(&check, c.password)
		if err := check.Err("x"); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestX6_LetterSaysWhatToDo(t *testing.T) {
	e := Event{ID: "evt-1", Type: "operation.held", At: time.Unix(1_700_000_000, 0), Data: Data{
		Table: "operations", ID: "opn-1", State: "held", Kind: "install", Message: "the image was not read back\x1b[31m\nas written", Server: "srv-1", ServerName: "web7",
		Order: "ord-1", Service: "svc-1", Operation: "opn-1", Department: "dc",
	}}
	const want = `[steelyard] Operation held: install on server web7
Operation held: install on server web7.

the image was not read back[31m
as written

To do:     decide: steelyard operation retry opn-1, or skip or cancel it with --reason '…'
Link:      https://s.example.com/v1/operations/opn-1

Server:    web7 (srv-1)
Order:     ord-1
Service:   svc-1
Operation: opn-1
Team:      dc
When:      2023-11-14T22:13:20Z
Event:     operation.held evt-1
`
	got := e.Subject() + "\n" + e.Letter("https://s.example.com/")
	if got != want {
		t.Errorf("the mail reads:\n%s", got)
	}
	for _, kind := range append(Types(), Test) {
		e.Type = kind
		if !strings.Contains(e.Letter(""), "To do: ") || e.Subject() == "[steelyard] " {
			t.Errorf("%s: %s", kind, e.Letter(""))
		}
	}
	for kind, want := range map[string]string{"service.needs_attention": "Service web1.example.net needs attention", "service.active": "Service web1.example.net is active"} {
		got := Event{Type: kind, Data: Data{Table: "services", ID: "svc-1", State: strings.TrimPrefix(kind, "service."), Hostname: "web1.example.net"}}.Subject()
		if got != "[steelyard] "+want {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

// What comes from agents and people cannot add headers or lines to a mail's head.
func FuzzSubjectIsOneLine(f *testing.F) {
	f.Add("look\r\nBcc: everybody@example.com")
	f.Add("\x00\u2028\x85x")
	f.Add(strings.Repeat("ä", 200))
	f.Fuzz(func(t *testing.T, subject string) {
		s := Event{Type: "task.opened", Data: Data{Subject: subject}}.Subject()
		if strings.ContainsAny(s, "\r\n\x00\x7f") || len(s) > 160 {
			t.Errorf("%q", s)
		}
	})
}
