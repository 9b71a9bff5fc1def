package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
)

// filled is a Metrics with every figure set.
func filled() *Metrics {
	m := New(Options{
		Version:  "v1.2.3",
		Fleet:    sampleFleet,
		Sessions: sampleSessions,
		View:     func() View { return View{Revision: 40, Committed: 42} },
		Store:    func() Store { return Store{Commits: 9, Changes: 20, Conflicts: 3, Retries: 2} },
		Etcd:     func(context.Context) (Etcd, error) { return Etcd{Size: 1 << 20, InUse: 1 << 19, Quota: 8 << 30}, nil },
		Leader:   func() bool { return true },
		Netboot: func() Netboot {
			return Netboot{Boots: map[string]uint64{"ram": 5, "disk": 2, "refused": 1}, Tokens: 5, Restarts: 1}
		},
		Notify: func() Notify {
			return Notify{
				Attempts: map[Attempted]uint64{{"webhook", "delivered"}: 4, {"mail", "dead"}: 1}, Pending: map[string]int{"webhook": 3, "mail": 0},
				Dead: map[string]int{"mail": 1}, Events: 2, Oldest: 90 * time.Second,
			}
		},
	})
	m.Request("/v1/servers/{id}", "GET", 200, 3*time.Millisecond)
	m.OperationFinished("install", "done", 40*time.Second)
	m.Matched(true, false, 12*time.Microsecond)
	m.Matched(true, true, 200*time.Nanosecond)
	m.Matched(false, false, time.Microsecond)
	m.OrderFulfilled(time.Minute)
	m.Committed(7, 2*time.Millisecond)
	return m
}

func sampleFleet() Fleet {
	f := Fleet{Classes: 3}
	at := time.Unix(1, 0)
	free := &fleet.Server{Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone}}
	f.AddServer(free, true, nil)
	f.AddServer(free, false, []fleet.Reason{{Rule: "B23", Since: &at}, {Rule: "B23"}, {Rule: "B18"}})
	risky := &fleet.Server{
		Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone},
		Override: &fleet.Override{DiagnosisID: "d"}, Diagnosis: &fleet.DiagnosisSummary{ID: "d"},
	}
	f.AddServer(risky, true, []fleet.Reason{{Rule: "B23", Waived: true}})
	f.AddLabel(fleet.LabelUnassigned)
	f.AddOrder("waiting")
	f.AddService("active")
	f.AddOperation("erase", "running")
	f.AddTask("build", "hands")
	return f
}

func sampleSessions() Sessions {
	return Sessions{
		Open: 2, Handshakes: 5, Resumed: 1, Enrolled: 2, Lost: 1, Reports: 4, BytesIn: 100, BytesOut: 50,
		Refused: map[string]uint64{"revoked": 1}, BadFrames: map[string]uint64{"too deep": 2},
	}
}

func scrapeText(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %v", w.Code, err)
	}
	return string(body)
}

func TestU10_FleetIsShown(t *testing.T) {
	text := scrapeText(t, filled())
	for _, want := range []string{
		`steelyard_servers{approval="approved",available="true",claim="none"} 2`,
		`steelyard_servers{approval="approved",available="false",claim="none"} 1`,
		`steelyard_servers_unavailable{rule="B23"} 1`, // two reasons of one rule are one server; a waived one is none
		`steelyard_servers_unavailable{rule="B18"} 1`,
		`steelyard_servers_overridden 1`,
		`steelyard_servers_connected 2`,
		`steelyard_orders{state="waiting"} 1`,
		`steelyard_services{state="active"} 1`,
		`steelyard_operations{kind="erase",state="running"} 1`,
		`steelyard_tasks_open{department="hands",kind="build"} 1`,
		`steelyard_sessions 2`,
		`steelyard_bad_frames_total{reason="too deep"} 2`,
		`steelyard_connections_refused_total{reason="revoked"} 1`,
		`steelyard_agent_bytes_total{direction="in"} 100`,
		`steelyard_view_lag_revisions 2`,
		`steelyard_view_stale_seconds 0`,
		`steelyard_store_conflicts_total 3`,
		`steelyard_etcd_database_in_use_bytes 524288`,
		`steelyard_leader 1`,
		`steelyard_netboot_boots_total{boot="ram"} 5`,
		`steelyard_netboot_tokens_total 5`,
		`steelyard_netboot_dnsmasq_restarts_total 1`,
		`steelyard_match_duration_seconds_count{result="none"} 1`,
		`steelyard_match_duration_seconds_bucket{result="exact",le="1e-06"} 1`,
		`steelyard_api_request_duration_seconds_count{code="200",method="GET",route="/v1/servers/{id}"} 1`,
		`steelyard_operation_duration_seconds_count{kind="install",state="done"} 1`,
		`steelyard_store_batch_changes_sum 7`,
		`process_open_fds `, `go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %q", want)
		}
	}
}

// An absent figure is never shown as zero.
func TestUnknownFiguresAreLeftOut(t *testing.T) {
	m := New(Options{Etcd: func(context.Context) (Etcd, error) { return Etcd{}, errors.New("unreachable") }})
	text := scrapeText(t, m)
	if !strings.Contains(text, "steelyard_etcd_up 0") {
		t.Error("an unreachable etcd is not shown")
	}
	for _, name := range []string{"steelyard_etcd_database_bytes", "steelyard_servers", "steelyard_sessions", "steelyard_leader", "steelyard_view_revision"} {
		if strings.Contains(text, "\n"+name+" ") || strings.Contains(text, "\n"+name+"{") {
			t.Errorf("%s has a figure that nobody told", name)
		}
	}
}

func TestEtcdIsNotWaitedForLong(t *testing.T) {
	var left time.Duration
	m := New(Options{Etcd: func(ctx context.Context) (Etcd, error) {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return Etcd{}, nil
	}})
	scrapeText(t, m)
	if left <= 0 || left > etcdPatience {
		t.Errorf("etcd is given %v", left)
	}
}

func TestStaleViewIsMeasured(t *testing.T) {
	s := &scrape{Options: Options{View: func() View { return View{StaleSince: time.Unix(100, 0)} }}, now: func() time.Time { return time.Unix(160, 0) }}
	m := New(Options{})
	m.registry.Unregister(s)
	m.registry.MustRegister(s)
	if text := scrapeText(t, m); !strings.Contains(text, "steelyard_view_stale_seconds 60") {
		t.Error("the age of a stale view is not shown")
	}
}

// Hostile values neither break the format nor multiply the series.
func TestLabelValuesAreBoundedAndClean(t *testing.T) {
	many := map[string]uint64{"a\x00\xffb\n": 1}
	for i := range 5000 {
		many[fmt.Sprintf("reason %04d %s", i, strings.Repeat("x", 1000))] = 1
	}
	m := New(Options{Sessions: func() Sessions { return Sessions{Refused: many} }})
	for i := range 5000 {
		m.OperationFinished(fmt.Sprint("kind", i), "done", time.Second)
	}
	text := scrapeText(t, m)
	if n := strings.Count(text, "\nsteelyard_connections_refused_total{"); n != MaxValues+1 {
		t.Errorf("%d series of refusals, want %d and one for the others", n, MaxValues)
	}
	if !strings.Contains(text, `steelyard_connections_refused_total{reason="other"} 4901`) {
		t.Error("the values beyond the limit are not added up")
	}
	if !strings.Contains(text, `reason="ab"`) {
		t.Error("a value with control characters was not cleaned")
	}
	if n := strings.Count(text, "\nsteelyard_operation_duration_seconds_count{"); n != MaxValues+1 {
		t.Errorf("%d series of operations", n)
	}
}

// No metric of the controller has a label that grows with the fleet.
func TestNoSeriesForEachServer(t *testing.T) {
	for _, d := range standing {
		for _, label := range []string{"server", "order", "customer", "user", "id"} {
			if strings.Contains(d.String(), "variableLabels: {"+label) || strings.Contains(d.String(), ","+label+"}") {
				t.Errorf("%s has a label %q", d, label)
			}
		}
	}
}

func TestX6_DeliveriesAreShown(t *testing.T) {
	text := scrapeText(t, filled())
	for _, want := range []string{
		`steelyard_notify_attempts_total{channel="webhook",outcome="delivered"} 4`, `steelyard_notify_attempts_total{channel="mail",outcome="dead"} 1`,
		`steelyard_notify_pending{channel="webhook"} 3`, `steelyard_notify_pending{channel="mail"} 0`, `steelyard_notify_dead{channel="mail"} 1`,
		`steelyard_notify_outbox_events 2`, `steelyard_notify_oldest_seconds 90`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the scrape lacks %s", want)
		}
	}
}
