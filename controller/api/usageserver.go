package api

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/usage"
)

type (
	// ServerUsage is what the interfaces of one server transferred (U5). One source alone makes a month; they are never added.
	ServerUsage struct {
		ID       string        `json:"id"`
		Name     string        `json:"name"`
		Source   string        `json:"source,omitempty" doc:"Whose counters these are: switch or agent. None: nothing was counted yet."`
		In       uint64        `json:"in_bytes" doc:"Received by the server since it is counted."`
		Out      uint64        `json:"out_bytes" doc:"Sent by the server since it is counted."`
		Since    time.Time     `json:"since,omitzero" doc:"Since when it is counted."`
		At       time.Time     `json:"at,omitzero" doc:"Until when it was counted (U6)."`
		Zone     string        `json:"time_zone" doc:"By which months begin now (U7)."`
		Months   []ServerMonth `json:"months" doc:"Newest first."`
		Accounts *HostedUse    `json:"accounts,omitempty" doc:"What the accounts on it use; for the provider's people."`
	}
	// ServerMonth is one month of it.
	ServerMonth struct {
		Month  string      `json:"month"`
		Source string      `json:"source"`
		In     uint64      `json:"in_bytes"`
		Out    uint64      `json:"out_bytes"`
		Total  uint64      `json:"total_bytes"`
		P95In  uint64      `json:"p95_in_bits_per_second" doc:"95th percentile of its quarter-hours; 0 while none ended."`
		P95Out uint64      `json:"p95_out_bits_per_second"`
		Days   []ServerDay `json:"days"`
		At     time.Time   `json:"at,omitzero"`
		Gap    bool        `json:"gap,omitempty" doc:"Something was not counted."`
	}
	// ServerDay is one day of a month.
	ServerDay struct {
		Day int    `json:"day"`
		In  uint64 `json:"in_bytes"`
		Out uint64 `json:"out_bytes"`
	}
	// HostedUse are sums of the accounts on a server.
	HostedUse struct {
		Storage StorageSum `json:"storage"`
		Month   string     `json:"month"`
		Traffic TrafficSum `json:"traffic" doc:"Of this month; of accounts that were deleted in it too."`
	}
)

func serverUsageOf(id, name, zone string, f *usage.ServerFigures) ServerUsage {
	v := ServerUsage{ID: id, Name: name, Zone: zone, Source: f.Source, In: f.In, Out: f.Out, Since: f.Since, At: f.At}
	for i := range f.Months {
		m := &f.Months[i]
		one := ServerMonth{Month: m.Month, Source: m.Source, In: m.In, Out: m.Out, Total: m.In + m.Out, P95In: m.P95In, P95Out: m.P95Out, At: m.At, Gap: m.Gap, Days: []ServerDay{}}
		for _, d := range m.Days {
			one.Days = append(one.Days, ServerDay(d))
		}
		v.Months = append(v.Months, one)
	}
	return v
}

// since is what the reseller sees who has the server from then on: nothing that somebody else transferred. The month in which he got it is told only where it is wholly his, in whatever zone.
func (v ServerUsage) since(t time.Time) ServerUsage {
	out := ServerUsage{ID: v.ID, Name: v.Name, Zone: v.Zone, Months: []ServerMonth{}}
	if !v.Since.Before(t) {
		out = v
		out.Months = []ServerMonth{}
	}
	for _, m := range v.Months {
		if begin, err := time.Parse("2006-01", m.Month); err == nil && !begin.Add(-14*time.Hour).Before(t) {
			out.Months = append(out.Months, m)
		}
	}
	return out
}

// hosted adds what the accounts on it use.
func (v *ServerUsage) hosted(r usage.Reader) {
	var space, sum usage.Sum
	now := r.Now()
	for f := range r.On(v.ID, now) {
		sum.Add(f, now)
		if f.GoneAt.IsZero() {
			space.Add(f, now)
		}
	}
	if sum.Accounts > 0 {
		v.Accounts = &HostedUse{storageSum(&space), now, trafficSum(&sum)}
	}
}
