package order

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestB6_ARemoteModuleNamesItsBackend(t *testing.T) {
	m := goodModule()
	m.Kind = ModuleRemote
	m.Username = "admin@example.org"
	for url, ok := range map[string]bool{
		"https://steelyard.example.net": true, "https://steelyard.example.net:8080": true, "https://93.184.216.34": true, "https://[2606:2800:220:1::1]:8080": true,
		"": false, "http://steelyard.example.net": false, "https://": false, "https://user@example.net": false, "https://example.net/path": false,
		"https://example.net?x=1": false, "https://exa mple.net": false, "https://example.net:0": false, "https://example.net:99999": false, "ftp://example.net": false,
		"https://under_score.example.net": false, "example.net": false,
	} {
		m.URL = url
		fields := names(wrong(t, m.Check))
		if ok != (len(fields) == 0) || !ok && !slices.Contains(fields, "url") {
			t.Errorf("%q: wrong are %v", url, fields)
		}
	}
	m.URL, m.CA = "https://steelyard.example.net", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	if f := names(wrong(t, m.Check)); !slices.Equal(f, []string{"ca"}) {
		t.Errorf("a broken authority: %v", f)
	}
	local := goodModule()
	local.URL, local.Username = m.URL, m.Username
	if f := names(wrong(t, local.Check)); len(f) != 2 {
		t.Errorf("a local module with a backend: %v", f)
	}
}

func TestX10_AReferenceNamesItsOrder(t *testing.T) {
	o := &Order{ID: "ord-03e6nm4t938v14ed", Remote: RemoteOrder{Attempt: 2}}
	ref := RemoteReference(o)
	if OrderOfReference(ref) != o.ID {
		t.Errorf("%q leads to %q", ref, OrderOfReference(ref))
	}
	if wrong(t, func(c *fault.Check) { CheckReference(c, "reference", ref) }) != nil {
		t.Errorf("%q is not accepted by the backend", ref)
	}
	for _, bad := range []string{"", "ord-1", "ord-1.", "ord-1.x", "ord-1.0", "svc-1.1", "A-7781"} {
		if id := OrderOfReference(bad); id != "" {
			t.Errorf("%q leads to %q", bad, id)
		}
	}
	for _, bad := range []string{"a b", "a/b", "ü", "a\n", strings.Repeat("x", MaxReference+1)} {
		if wrong(t, func(c *fault.Check) { CheckReference(c, "reference", bad) }) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestB28_ToB42_AServiceFollowsItsCounterpart tells, for each wish and state there, the state here and whether
// the wish is told (again).
func TestB28_ToB42_AServiceFollowsItsCounterpart(t *testing.T) {
	now := time.Unix(1_000_000, 0).UTC()
	for _, c := range []struct {
		was, wish string
		asked     bool
		there     string
		want      string
		ask, left bool // left: the wish stays
	}{
		{ServiceActive, "", false, ServiceActive, ServiceActive, false, false},
		{ServiceActive, "", false, ServiceStopped, ServiceStopped, false, false},
		{ServiceActive, "", false, ServiceNeedsAttention, ServiceNeedsAttention, false, false},
		{ServiceActive, "", false, ServiceDeleted, ServiceNeedsAttention, false, false}, // nobody here asked for that
		{ServiceStopping, WishStop, false, ServiceActive, ServiceStopping, true, true},
		{ServiceStopping, WishStop, false, ServiceStopping, ServiceStopping, false, true},
		{ServiceStopping, WishStop, true, ServiceStopped, ServiceStopped, false, false},
		{ServiceStopping, WishStop, true, ServiceNeedsAttention, ServiceNeedsAttention, false, false},
		{ServiceStopping, WishStop, false, ServiceNeedsAttention, ServiceStopping, true, true},
		{ServiceResuming, WishResume, false, ServiceStopped, ServiceResuming, true, true},
		{ServiceRescuing, WishRescue, false, ServiceActive, ServiceRescuing, true, true},
		{ServiceRescuing, WishRescue, true, ServiceRescue, ServiceRescue, false, false},
		{ServiceRescuing, WishRescue, true, ServiceActive, ServiceActive, false, false}, // it failed there
		{ServiceResuming, WishEndRescue, false, ServiceRescue, ServiceResuming, true, true},
		{ServiceResuming, WishEndRescue, true, ServiceActive, ServiceActive, false, false},
		{ServiceRescue, "", false, ServiceActive, ServiceActive, false, false}, // its customer restarted it
		{ServiceResuming, WishResume, true, ServiceActive, ServiceActive, false, false},
		{ServiceDeleting, WishDelete, false, ServiceStopped, ServiceDeleting, true, true},
		{ServiceDeleting, WishDelete, true, ServiceDeleting, ServiceDeleting, false, true},
		{ServiceDeleting, WishDelete, true, ServiceDeleted, ServiceDeleted, false, false},
		{ServiceDeleting, WishDelete, false, ServiceDeleted, ServiceDeleted, false, false},
		{ServiceActive, "", false, "word-of-a-later-version", ServiceActive, false, false},
	} {
		svc := Service{State: c.was, Remote: RemoteService{Module: "m", Wish: c.wish, Asked: c.asked}}
		after, ask := Follow(svc, SeenService{State: c.there}, "partner", now)
		if after.State != c.want || ask != c.ask || (after.Remote.Wish != "") != c.left {
			t.Errorf("%+v: got %s, ask %v, wish %q", c, after.State, ask, after.Remote.Wish)
		}
		again, _ := Follow(after, SeenService{State: c.there}, "partner", now)
		if again.State != after.State || again.Message != after.Message {
			t.Errorf("%+v: a second look changes %s to %s", c, after.State, again.State)
		}
	}
}

func TestB1_AnOrderIsFulfilledHereOnlyWhenItIsThere(t *testing.T) {
	now := time.Unix(1_000_000, 0).UTC()
	for there, want := range map[string]struct {
		order, service string
		back           bool
	}{
		New:       {Preparing, ServicePreparing, false},
		Preparing: {Preparing, ServicePreparing, false},
		Held:      {Held, ServiceOrdered, false},
		Waiting:   {Preparing, ServicePreparing, true},
		Failed:    {Failed, ServiceNeedsAttention, false},
		Canceled:  {Failed, ServiceNeedsAttention, false},
		Fulfilled: {Fulfilled, ServiceActive, false},
		"later":   {Preparing, ServicePreparing, false},
	} {
		o, svc, back := Mirror(Order{State: Preparing}, Service{State: ServicePreparing}, SeenOrder{State: there, Service: "svc-2"}, "partner", now)
		if o.State != want.order || svc.State != want.service || back != want.back || svc.ActiveAt.IsZero() == (there == Fulfilled) {
			t.Errorf("%s there: order %s, service %s, back %v, active %v", there, o.State, svc.State, back, svc.ActiveAt)
		}
	}
}

// A customer may end a rescue; he may not resume what was stopped by that (rule B31).
func TestB31_TheEndOfARescueResumesNothingElse(t *testing.T) {
	for state, ok := range map[string]bool{ServiceRescue: true, ServiceActive: true, ServiceResuming: true, ServiceStopped: false, ServiceNeedsAttention: false, ServiceDeleted: false} {
		svc := Service{ID: "svc-1", State: state}
		if _, err := Wish(&svc, WishEndRescue, "", ""); (err == nil) != ok {
			t.Errorf("%s: %v", state, err)
		}
		svc = Service{ID: "svc-1", State: state}
		if _, err := Wish(&svc, WishRescue, "", ""); (err == nil) != (state == ServiceActive || state == ServiceRescue) {
			t.Errorf("rescue of %s: %v", state, err)
		}
	}
}
