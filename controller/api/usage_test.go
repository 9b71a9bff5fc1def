package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// figures is a small usage.Reader.
type figures struct {
	all     []usage.Figures
	servers map[string]usage.ServerFigures
}

const thisMonth, lastMonth = "2026-11", "2026-10"

func (r *figures) Now() string      { return thisMonth }
func (r *figures) Zone() string     { return "Europe/Berlin" }
func (r *figures) Months() []string { return []string{thisMonth, lastMonth} }

func (r *figures) Account(id string) (usage.Figures, bool) {
	for _, f := range r.all {
		if f.Account == id {
			return f, true
		}
	}
	return usage.Figures{}, false
}

func (r *figures) Each(month string) iter.Seq[*usage.Figures] {
	return func(yield func(*usage.Figures) bool) {
		for _, f := range r.all {
			m := f.In(month)
			if !f.GoneAt.IsZero() && m.Total == 0 {
				continue
			}
			f.Months = []usage.Month{m}
			if !yield(&f) {
				return
			}
		}
	}
}

func (r *figures) On(server, month string) iter.Seq[*usage.Figures] {
	return func(yield func(*usage.Figures) bool) {
		for f := range r.Each(month) {
			if f.Server == server && !yield(f) {
				return
			}
		}
	}
}

func (r *figures) Server(id string) (usage.ServerFigures, bool) {
	f, ok := r.servers[id]
	return f, ok
}

// add is an account; its storage is home bytes, and its traffic www bytes out of last and this month. Its limits are 1 MiB.
func (r *figures) add(domain, reseller, owner string, home, last, now uint64) *usage.Figures {
	f := usage.Figures{Account: "acc-" + domain, Domain: domain + ".example", User: domain, Reseller: reseller, Customer: owner, Owner: owner, Server: "srv-1"}
	one := reselling.AtMost(1)
	at := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	f.Storage = usage.Takes(&usage.Space{Home: home, Mail: 1, At: uint64(at.Unix())}, one)
	for _, m := range []struct {
		name  string
		bytes uint64
	}{{thisMonth, now}, {lastMonth, last}} {
		var t usage.Traffic
		t[protocol.UsageWWW].Out, t[protocol.UsageMail].In = m.bytes, 2
		f.Months = append(f.Months, usage.Was(m.name, &t, one, at, m.name == lastMonth))
	}
	r.all = append(r.all, f)
	return &r.all[len(r.all)-1]
}

// usageHouse has accounts of the provider, of reseller above with below under him, and of somebody else.
func usageHouse(t *testing.T) (*house, *figures) {
	r := &figures{servers: map[string]usage.ServerFigures{}}
	h := newHouse(t, func(o *Options) { o.Usage = r })
	above, beside := h.reseller("above", nil), h.reseller("beside", nil)
	below := h.reseller("below", &above)
	h.token[access.RoleReseller] = h.token["above"]
	mib := uint64(1 << 20)
	r.add("house", "", "acme", mib-1, mib, 5) // exactly the limit: not over it
	r.add("mine", above.Path, "mary", mib, mib-2, mib-1)
	r.add("lower", below.Path, "lou", 3, 4, 3*mib)
	r.add("foreign", beside.Path, "zoe", 5*mib, 6, 7)
	gone := r.add("gone", above.Path, "mary", 9, 2*mib, 8)
	gone.GoneAt, gone.Storage = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), usage.Storage{}
	fresh := r.add("fresh", "", "acme", 0, 0, 0)
	fresh.Storage, fresh.Months, fresh.Server = usage.Storage{Limit: reselling.NoLimit}, nil, "srv-2"
	return h, r
}

func (h *house) storage(role access.Role, query string) (v StorageOverview) {
	h.t.Helper()
	a := h.ask(role, "GET", "/v1/usage/storage?"+query, "")
	if a.status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", query, a.status, a.body)
	}
	a.json(h.t, &v)
	return v
}

func (h *house) traffic(role access.Role, query string) (v TrafficOverview) {
	h.t.Helper()
	a := h.ask(role, "GET", "/v1/usage/traffic?"+query, "")
	if a.status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", query, a.status, a.body)
	}
	a.json(h.t, &v)
	return v
}

func domains[T any](list []T, of func(*T) string) (names []string) {
	for i := range list {
		names = append(names, strings.TrimSuffix(of(&list[i]), ".example"))
	}
	return names
}

func TestC20_StorageOverview(t *testing.T) {
	h, _ := usageHouse(t)
	v := h.storage(access.RoleAdmin, "")
	if got := domains(v.Items, func(s *StorageUse) string { return s.Domain }); !slices.Equal(got, []string{"foreign", "fresh", "house", "lower", "mine"}) {
		t.Errorf("accounts: %v", got)
	}
	var sum StorageBytes
	over := map[string]bool{}
	for _, s := range v.Items {
		over[s.User] = s.Over
		if s.Measured == nil {
			continue
		}
		if m := s.Measured; m.Home+m.WWW+m.Mail+m.Databases != m.Total {
			t.Errorf("%s: classes are not the total: %+v", s.Domain, m)
		}
		sum.Home, sum.Mail, sum.Total = sum.Home+s.Measured.Home, sum.Mail+s.Measured.Mail, sum.Total+s.Measured.Total
	}
	if v.Sum.StorageBytes != sum || v.Sum.Accounts != 5 || v.Total != 5 || v.Sum.Unmeasured != 1 || v.Sum.Over != 2 {
		t.Errorf("the sum is %+v, of rows %+v", v.Sum, sum)
	}
	if !over["foreign"] || !over["mine"] || over["house"] || over["lower"] || over["fresh"] {
		t.Errorf("over the limit: %v", over)
	}
	if v := h.storage(access.RoleAdmin, "over_limit=true&sort=-total"); v.Total != 2 || v.Items[0].User != "foreign" || v.Sum.Total != v.Items[0].Measured.Total+v.Items[1].Measured.Total {
		t.Errorf("those over the limit: %+v", v)
	}
	if v := h.storage(access.RoleAdmin, "server=srv-2"); v.Total != 1 || v.Items[0].User != "fresh" {
		t.Errorf("of one server: %+v", v)
	}
}

// TestU6_WhatIsNotKnownIsNotZero: neither in an answer nor in a sheet; what is known has its age, and a sum that of its oldest.
func TestU6_WhatIsNotKnownIsNotZero(t *testing.T) {
	h, r := usageHouse(t)
	old := r.all[0].Storage.At.Add(-time.Hour)
	r.all[0].Storage.At = old
	v := h.storage(access.RoleAdmin, "")
	if fresh := v.Items[1]; fresh.User != "fresh" || fresh.Measured != nil || !fresh.MeasuredAt.IsZero() || !fresh.Limit.None || fresh.Over {
		t.Errorf("what was not measured: %+v", fresh)
	}
	if !v.Items[2].MeasuredAt.Equal(old) || !v.Sum.OldestAt.Equal(old) {
		t.Errorf("the age is %v, of the sum %v", v.Items[2].MeasuredAt, v.Sum.OldestAt)
	}
	sheet := string(h.must(200, "GET", "/v1/usage/storage?format=csv&q=fresh", "").body)
	if lines := strings.Split(sheet, "\r\n"); !strings.HasSuffix(lines[1], ",srv-2,,,,,,,,") {
		t.Errorf("the sheet says %q", lines)
	}
	var one AccountUsage
	h.must(200, "GET", "/v1/accounts/acc-mine/usage", "").json(t, &one)
	if one.Months[0].Gap || !one.Months[1].Gap || one.Months[0].Counted.IsZero() {
		t.Errorf("gaps and ages of months: %+v", one.Months)
	}
}

func TestC21_TrafficOverview(t *testing.T) {
	h, _ := usageHouse(t)
	names := func(v TrafficOverview) []string {
		return domains(v.Items, func(s *TrafficUse) string { return s.Domain })
	}
	now, last := h.traffic(access.RoleAdmin, ""), h.traffic(access.RoleAdmin, "month="+lastMonth)
	if !slices.Contains(names(last), "gone") || last.Month != lastMonth || !slices.Equal(last.Months, []string{thisMonth, lastMonth}) {
		t.Errorf("an account that was deleted is not in its month: %v", names(last))
	}
	for _, v := range []TrafficOverview{now, last} {
		var sum TrafficBytes
		for _, m := range v.Items {
			if m.WWW+m.FTP+m.Mail != m.Total || m.In+m.Out != m.Total {
				t.Errorf("%s: classes and directions are not the total: %+v", m.Domain, m)
			}
			sum.WWW, sum.Mail, sum.Total, sum.In, sum.Out = sum.WWW+m.WWW, sum.Mail+m.Mail, sum.Total+m.Total, sum.In+m.In, sum.Out+m.Out
		}
		if v.Sum.TrafficBytes != sum || v.Sum.Accounts != len(v.Items) {
			t.Errorf("%s: the sum is %+v, of rows %+v", v.Month, v.Sum, sum)
		}
	}
	// 1 MiB - 2 + 2 is the limit: only what is more than it is over it.
	over := domains(h.traffic(access.RoleAdmin, "over_limit=true&month="+lastMonth).Items, func(s *TrafficUse) string { return s.Domain })
	if !slices.Equal(over, []string{"gone", "house"}) {
		t.Errorf("over the limit: %v", over)
	}
	if gap := last.Items[0].Gap; !gap || now.Items[0].Gap {
		t.Errorf("a gap is not told where it is")
	}
}

// TestC21_WhoSeesWhat: provider's people see all, a reseller his tree, a customer what is his; others are neither shown nor counted, whatever they filter by.
func TestC21_WhoSeesWhat(t *testing.T) {
	h, r := usageHouse(t)
	h.token[access.RoleCustomer] = h.bearer(access.Actor{Name: "customer token", Role: access.RoleCustomer, Customer: "mary"})
	for role, want := range map[access.Role][]string{
		access.RoleMarketing: {"foreign", "fresh", "gone", "house", "lower", "mine"}, access.RoleReseller: {"gone", "lower", "mine"}, "below": {"lower"}, access.RoleCustomer: {"gone", "mine"},
	} {
		for _, query := range []string{"", "sort=-total", "limit=1", "all=true"} {
			var got []string
			for next := ""; ; {
				more := query
				if next != "" {
					more += "&cursor=" + next
				}
				v := h.traffic(role, more)
				got = append(got, domains(v.Items, func(s *TrafficUse) string { return s.Domain })...)
				if v.Total != len(want) || v.Sum.Accounts != len(want) {
					t.Errorf("%s is told of %d accounts, not %d", role, v.Total, len(want))
				}
				for _, m := range v.Items {
					if (m.Server != "") != (role == access.RoleMarketing) {
						t.Errorf("%s: the server is %q", role, m.Server)
					}
				}
				if next = v.Next; next == "" {
					break
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s sees %v, not %v", role, got, want)
			}
		}
		for _, f := range r.all {
			a := h.ask(role, "GET", "/v1/accounts/"+f.Account+"/usage", "")
			if sees := slices.Contains(want, f.User); sees && a.status != http.StatusOK || !sees && a.status != http.StatusNotFound {
				t.Errorf("%s and %s: %d %s", role, f.Account, a.status, a.body)
			}
		}
	}
	for _, query := range []string{"reseller=beside", "customer=zoe", "q=foreign"} {
		if v := h.traffic(access.RoleReseller, query); v.Total != 0 || v.Sum.Total != 0 {
			t.Errorf("%s tells %+v", query, v)
		}
	}
	if p := h.ask(access.RoleReseller, "GET", "/v1/usage/traffic?server=srv-1", "").problem(t); p.Status != 400 && p.Status != 422 {
		t.Errorf("a reseller asks by server: %d", p.Status)
	}
	if v := h.traffic(access.RoleAdmin, "reseller="+reselling.Own(r.all[1].Reseller)); v.Total != 3 {
		t.Errorf("a reseller's tree has %d accounts", v.Total)
	}
	if a := h.ask(access.RoleDepartment, "GET", "/v1/usage/storage", ""); a.status != http.StatusForbidden {
		t.Errorf("a department: %d", a.status)
	}
}

func TestC21_OneAccount(t *testing.T) {
	h, _ := usageHouse(t)
	var v AccountUsage
	h.must(200, "GET", "/v1/accounts/acc-gone/usage", "").json(t, &v)
	if v.Storage != nil || v.GoneAt.IsZero() || len(v.Months) != 2 || v.Months[0].Month != thisMonth || !v.Months[1].Over || len(v.Months[1].Classes) != 3 {
		t.Errorf("one that is gone: %+v", v)
	}
	h.must(200, "GET", "/v1/accounts/acc-mine/usage", "").json(t, &v)
	if v.Storage == nil || !v.Storage.Over || v.Storage.MeasuredAt.IsZero() {
		t.Errorf("one that is there: %+v", v.Storage)
	}
	for _, m := range v.Months {
		var classes uint64
		for _, c := range m.Classes {
			classes += c.In + c.Out
		}
		if classes != m.Total {
			t.Errorf("%s: classes are %d, the total %d", m.Month, classes, m.Total)
		}
	}
}

// TestC21_SheetsHaveWhatOverviewsHave: row by row, and its last line is the sum.
func TestC21_SheetsHaveWhatOverviewsHave(t *testing.T) {
	h, r := usageHouse(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		r.add(fmt.Sprintf("x%03d", i), "", "many", rnd.Uint64N(2<<20), 0, rnd.Uint64N(2<<20))
	}
	for path, column := range map[string]string{"storage": "home_bytes", "traffic": "www_bytes"} {
		a := h.ask(access.RoleAdmin, "GET", "/v1/usage/"+path+"?format=csv&limit=3&customer=many", "")
		lines, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
		if err != nil || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") || len(lines) != 302 {
			t.Fatalf("%s: %d lines, %v, %v", path, len(lines), a.header, err)
		}
		at := slices.Index(lines[0], column)
		var sum uint64
		for _, line := range lines[1:301] {
			n, err := strconv.ParseUint(line[at], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		if got := lines[301][at]; got != strconv.FormatUint(sum, 10) {
			t.Errorf("%s: the last line says %s, not %d", path, got, sum)
		}
	}
	if s, v := h.storage(access.RoleAdmin, "customer=many&all=true"), h.storage(access.RoleAdmin, "customer=many"); len(s.Items) != 300 || len(v.Items) != 100 || v.Next == "" || v.Sum != s.Sum {
		t.Errorf("all are %d, a page %d", len(s.Items), len(v.Items))
	}
	a := h.ask(access.RoleReseller, "GET", "/v1/usage/storage?format=csv", "")
	if text := string(a.body); strings.Contains(text, "srv-1") || strings.Contains(text, "foreign") || !strings.Contains(text, "lower") {
		t.Errorf("a reseller's sheet: %s", text)
	}
}

func TestX13_OverviewsNameWhatIsWrong(t *testing.T) {
	h, _ := usageHouse(t)
	for query, field := range map[string]string{
		"storage?month=2026-11": "query.month", "traffic?month=2026-13": "query.month", "traffic?month=2031-01": "query.month", "traffic?limit=0": "query.limit", "traffic?sort=home": "query.sort",
		"storage?sort=ftp": "query.sort", "storage?over_limit=maybe": "query.over_limit", "storage?format=xml": "query.format", "storage?cursor=x": "query.cursor", "storage?nothing=1": "query.nothing",
	} {
		if p := h.ask(access.RoleAdmin, "GET", "/v1/usage/"+query, "").problem(t); !p.names(field) {
			t.Errorf("%s: %+v", query, p)
		}
	}
	next := h.traffic(access.RoleAdmin, "limit=1").Next
	if p := h.ask(access.RoleAdmin, "GET", "/v1/usage/traffic?sort=total&cursor="+url.QueryEscape(next), "").problem(t); !p.names("query.cursor") {
		t.Errorf("a cursor of another order: %+v", p)
	}
	none := newHouse(t)
	if a := none.ask(access.RoleAdmin, "GET", "/v1/usage/storage", ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("without figures: %d", a.status)
	}
}

func TestU5_UsageOfAServer(t *testing.T) {
	h, r := usageHouse(t)
	above, _ := store.Resellers.View(h.store, reselling.Own(r.all[1].Reseller))
	id := h.sellable("box")
	for i := range r.all {
		r.all[i].Server = id
	}
	begin := h.now().AddDate(0, -3, 0)
	at := begin.AddDate(0, 2, 0)
	one := usage.ServerMonth{Month: begin.AddDate(0, 6, 0).Format("2006-01"), Source: usage.SourceAgent, In: 4, Out: 5, P95In: 6, P95Out: 7, Days: []usage.Day{{Day: 3, In: 4, Out: 5}}, At: at, Gap: true}
	old := one
	old.Month = begin.Format("2006-01")
	r.servers[id] = usage.ServerFigures{Source: usage.SourceAgent, In: 8, Out: 10, Since: begin, At: at, Months: []usage.ServerMonth{one, old}}
	var v ServerUsage
	h.must(200, "GET", "/v1/servers/box/usage", "").json(t, &v)
	if v.In != 8 || len(v.Months) != 2 || v.Months[0].Total != 9 || !v.Months[0].Gap || v.Months[0].Days[0].Out != 5 || v.Months[0].P95Out != 7 || v.Accounts == nil || v.Accounts.Traffic.Accounts != 6 || v.Accounts.Storage.Accounts != 5 {
		t.Errorf("the server: %+v", v)
	}
	h.sell(*above, id)
	var his ServerUsage
	h.ask("above", "GET", "/v1/servers/box/usage", "").json(t, &his)
	if his.In != 0 || len(his.Months) != 1 || his.Months[0].Month != one.Month || his.Accounts != nil {
		t.Errorf("the reseller who got it now: %+v", his)
	}
	h.sellable("silent")
	var none ServerUsage
	h.must(200, "GET", "/v1/servers/silent/usage", "").json(t, &none)
	if none.Source != "" || none.Months == nil || len(none.Months) != 0 {
		t.Errorf("one that was never counted: %+v", none)
	}
}

// TestU2_QuarterHoursOfAnAccountComeFromItsNode: to who sees the account, with the borders that the month has in the zone, and summed up.
func TestU2_QuarterHoursOfAnAccountComeFromItsNode(t *testing.T) {
	h, r := usageHouse(t)
	r.all[1].Server = "srv-1" // mine
	id := r.all[1].Account
	var asked []int64
	shells := new(consoles)
	h.api.opt.Consoles = shells
	h.api.opt.Quarters = func(_ context.Context, server, account string, from, to int64) (list []protocol.QuarterUsage, err error) {
		if server != "srv-1" || account != id {
			t.Errorf("asked %s for %s", server, account)
		}
		asked = []int64{from, to}
		for i := range int64(3) {
			q := protocol.QuarterUsage{Quarter: from + 5*i}
			q.Traffic[protocol.UsageWWW] = protocol.Traffic{In: 1, Out: uint64(10 * (i + 1))}
			q.Traffic[protocol.UsageMail] = protocol.Traffic{In: uint64(i)}
			list = append(list, q)
		}
		return list, nil
	}
	path := "/v1/accounts/" + id + "/usage/quarter-hours"
	refused := func(what string, role access.Role, query string, status int, words string) {
		t.Helper()
		if a := h.ask(role, "GET", path+query, ""); a.status != status || !strings.Contains(string(a.body), words) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused("the agent is not there", access.RoleAdmin, "", http.StatusServiceUnavailable, "server show srv-1")
	refused("the same, to a reseller", access.RoleReseller, "", http.StatusServiceUnavailable, "the server of this account")
	h.change(func(tx *store.Tx) error {
		return store.Presences.Put(tx, "srv-1", fleet.Presence{Server: "srv-1", Replica: "rep-2"})
	})
	refused("another replica", access.RoleAdmin, "", http.StatusMisdirectedRequest, "rep-2")
	h.change(func(tx *store.Tx) error {
		return store.Presences.Put(tx, "srv-1", fleet.Presence{Server: "srv-1", Replica: shells.Replica()})
	})
	refused("a month that nodes have no more", access.RoleAdmin, "?month=2026-08", http.StatusUnprocessableEntity, "query.month")
	refused("a month to come", access.RoleAdmin, "?month=2026-12", http.StatusUnprocessableEntity, "2026-09, 2026-10, 2026-11")
	refused("what is not known", access.RoleAdmin, "?day=1", http.StatusUnprocessableEntity, "query.day")
	refused("a format", access.RoleAdmin, "?format=xml", http.StatusUnprocessableEntity, "query.format")

	for _, role := range []access.Role{access.RoleAdmin, access.RoleReseller} {
		a := h.ask(role, "GET", path+"?month=2026-10", "")
		var v QuarterHours
		if a.json(t, &v); a.status != http.StatusOK || len(v.Items) != 3 || v.Sum.Total != 3+60+3 || v.Sum.In != 6 || v.Sum.WWW != 63 || v.Sum.Mail != 3 || !v.Gap || v.Zone != "Europe/Berlin" {
			t.Errorf("%s: %d %s", role, a.status, a.body)
		}
		if begins := time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC); !v.Items[0].Begins.Equal(begins) || asked[1]-asked[0] != (31*24+1)*4 { // the hour that October has twice
			t.Errorf("%v, asked %v", v.Items[0].Begins, asked)
		}
		if (v.Server == "") != (role == access.RoleReseller) {
			t.Errorf("%s sees the server %q", role, v.Server)
		}
	}
	a := h.ask(access.RoleAdmin, "GET", path+"?month=2026-10&format=csv", "")
	if lines := strings.Split(string(a.body), "\r\n"); len(lines) != 6 || !strings.HasPrefix(lines[1], "2026-09-30T22:00:00Z,"+id) || !strings.HasSuffix(lines[4], ",63,0,3,66,6,60") {
		t.Errorf("%s", a.body)
	}
	path = "/v1/accounts/" + r.all[3].Account + "/usage/quarter-hours"
	refused("somebody else's", access.RoleReseller, "", http.StatusNotFound, "does not exist")
}
