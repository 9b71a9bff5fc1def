package address

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// wrongFields are the fields of a pool that its check names.
func wrongFields(p Pool) (names []string) {
	var c fault.Check
	p.Normalised().Check(&c)
	var f *fault.Fault
	if errors.As(c.Err("wrong"), &f) {
		for _, field := range f.Fields {
			names = append(names, field.Name)
		}
	}
	return names
}

func TestB4_WhatAPoolMayBe(t *testing.T) {
	for _, good := range []Pool{
		{Prefix: "192.0.2.0/24", Gateway: "192.0.2.1", DNS: []string{"2001:db8::53"}, Reserved: []string{"192.0.2.8/29", "192.0.2.1-192.0.2.3", "192.0.2.9"}},
		{Prefix: "10.0.0.0/8"},
		{Prefix: "192.0.2.4/31", Gateway: "192.0.2.4"},
		{Prefix: "2001:db8::/48", Gateway: "fe80::1"},
		{Prefix: "2001:db8::/48", Assign: 56, Gateway: "2001:db8::1"},
		{Prefix: "2001:db8::/64", Assign: 128},
	} {
		if got := wrongFields(good); len(got) != 0 {
			t.Errorf("%+v is refused for %v", good, got)
		}
	}
	for _, c := range []struct {
		field string
		pool  Pool
	}{
		{"prefix", Pool{Prefix: "192.0.2.0"}},
		{"prefix", Pool{Prefix: "192.0.2.1/24"}},
		{"prefix", Pool{Prefix: "10.0.0.0/7"}},
		{"prefix", Pool{Prefix: "2000::/3"}},
		{"prefix", Pool{Prefix: "::ffff:192.0.2.0/120"}},
		{"prefix", Pool{Prefix: "127.0.0.0/8"}},
		{"prefix", Pool{Prefix: "fe80::/64"}},
		{"prefix", Pool{Prefix: "ff02::/64"}},
		{"assign_bits", Pool{Prefix: "192.0.2.0/24", Assign: 30}},
		{"assign_bits", Pool{Prefix: "2001:db8::/48", Assign: 47}},
		{"assign_bits", Pool{Prefix: "2001:db8::/48", Assign: 129}},
		{"gateway", Pool{Prefix: "192.0.2.0/24", Gateway: "192.0.2.255"}},
		{"gateway", Pool{Prefix: "192.0.2.0/24", Gateway: "192.0.2.0"}},
		{"gateway", Pool{Prefix: "192.0.2.0/24", Gateway: "192.0.3.1"}},
		{"gateway", Pool{Prefix: "192.0.2.0/24", Gateway: "fe80::1"}},
		{"gateway", Pool{Prefix: "2001:db8::/48", Gateway: "fe80::1%eth0"}},
		{"dns", Pool{Prefix: "192.0.2.0/24", DNS: []string{"resolver.example"}}},
		{"dns", Pool{Prefix: "192.0.2.0/24", DNS: []string{"0.0.0.0"}}},
		{"reserved", Pool{Prefix: "192.0.2.0/24", Reserved: []string{"192.0.3.0/24"}}},
		{"reserved", Pool{Prefix: "192.0.2.0/24", Reserved: []string{"192.0.2.9-192.0.2.1"}}},
	} {
		if got := wrongFields(c.pool); !slices.Equal(got, []string{c.field}) {
			t.Errorf("%+v: refused for %v, want %s", c.pool, got, c.field)
		}
	}
}

func TestB4_OverlappingPoolsAreFound(t *testing.T) {
	atlas := Atlas{}.With(Pool{ID: "a", Prefix: "192.0.2.0/24"}).With(Pool{ID: "b", Prefix: "2001:db8::/48"})
	for prefix, want := range map[string]string{
		"192.0.0.0/16": "a", "192.0.2.128/32": "a", "192.0.3.0/24": "", "2001:db8::/32": "b", "2001:db8:0:9::/64": "b", "2001:db8:1::/48": "",
	} {
		if e, found := atlas.Overlapping(prefix, ""); e.ID != want || found != (want != "") {
			t.Errorf("%s overlaps %q, %v; want %q", prefix, e.ID, found, want)
		}
	}
	if _, found := atlas.Overlapping("192.0.2.0/24", "a"); found {
		t.Error("a pool overlaps itself")
	}
	if _, found := atlas.Without("a").Overlapping("192.0.2.0/24", ""); found {
		t.Error("a pool that is gone overlaps")
	}
}

func TestB36_AReleasedAddressHasNoServerButRests(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a := Address{ID: "192.0.2.7", State: Used, Server: "srv-1", Service: "svc-1", RDNS: "old.example.net"}.Released(now)
	if a.State != Resting || a.Server != "" || a.RDNS != "" || a.Service != "svc-1" || !a.Until.Equal(now.Add(Rest)) {
		t.Errorf("got %+v", a)
	}
	if keys := RestingKey(&a); len(keys) != 1 || !strings.Contains(keys[0], "20260302") {
		t.Errorf("its place among the resting is %v", keys)
	}
}

func TestCanonicalIsTheIDOfARecord(t *testing.T) {
	for text, want := range map[string]string{
		"2001:0DB8::/64": "2001:db8::", "192.0.2.7/32": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "web1": "web1", "fe80::1%eth0": "fe80::1%eth0", "": "",
	} {
		if got := Canonical(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
