package api

import (
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// What somebody sees of a record that he may see only because it is his (rule X7). Of a server, a reseller sees the machine, that it is his
// and since when, and how it is. He does not see what was before him, what the provider's people wrote about it, how the fleet works
// inside, nor ids of records that he may not read. What is not named here stays hidden, also when a server gets new fields.

// seenBy is the JSON of a record for somebody with this scope.
func (r *row) seenBy(scope access.Scope) []byte {
	if scope.Field == "" || r.narrow == nil {
		return r.bytes()
	}
	return r.narrow(r)
}

// replyOf answers a record of a table as the caller sees it.
func (c *call) replyOf(table string, r *row) reply {
	return reply{etag: tag(r.rev, r.state), body: r.seenBy(access.ScopeOf(c.actor(), table))}
}

// narrowed reports whether the caller sees only a part of a table.
func (c *call) narrowed(table string) bool { return access.ScopeOf(c.actor(), table).Field != "" }

func narrowMachine(r *row) []byte {
	v := r.value.(*machine).view().narrow()
	return render(&v)
}

// narrow is what its reseller sees of a server.
func (v Server) narrow() Server {
	s, since := v.Server, v.Claim.Since
	out := Server{
		Server: fleet.Server{
			ID: s.ID, Name: s.Name, Location: s.Location, Rack: s.Rack, ServerType: s.ServerType, Environment: s.Environment,
			Approval: s.Approval, Claim: s.Claim, Cleanliness: s.Cleanliness, InService: s.InService,
		},
		Connected: v.Connected, ConnectedSince: v.ConnectedSince, Owner: v.Owner, Label: v.Label, Placements: v.Placements, PromisedMiB: v.PromisedMiB,
		Reasons: narrowReasons(v.Reasons), Configuration: v.Configuration, ConfigurationText: v.ConfigurationText, AgentVersion: v.AgentVersion,
		ReportedAt: v.ReportedAt, Power: v.Power, Rev: v.Rev,
	}
	out.Claim.Plan = "" // of the provider
	out.Power.Error = ""
	if m := s.Maintenance; m != nil {
		out.Maintenance = &fleet.Maintenance{Note: fleet.Note{At: m.At}, Until: m.Until, Overdue: m.Overdue}
	}
	if q := s.Quarantine; q != nil {
		out.Quarantine = &fleet.Note{At: q.At}
	}
	for _, role := range s.Roles {
		out.Roles = append(out.Roles, fleet.LogicalServer{Type: role.Type})
	}
	if d := s.Diagnosis; d != nil && !d.At.Before(since) {
		out.Diagnosis = &fleet.DiagnosisSummary{At: d.At, Profile: d.Profile, Checks: d.Checks}
	}
	if t := v.Traffic; t != nil && !t.Since.Before(since) { // else it is also what others sent
		out.Traffic = t
	}
	return out
}

// narrowReasons are those that tell no more than whose the server is. Orders never get it while it is his, whatever else there is.
func narrowReasons(list []fleet.Reason) []fleet.Reason {
	return slices.DeleteFunc(slices.Clone(list), func(r fleet.Reason) bool { return r.Fact != "claim" })
}

// narrow is what its reseller sees of a server with everything. Addresses and system that it reported before he had it were others'.
func (v ServerDetail) narrow() ServerDetail {
	out := ServerDetail{Server: v.Server.narrow()}
	since := v.Claim.Since
	if v.Inventory != nil {
		inv := *v.Inventory
		inv.NICs = slices.Clone(inv.NICs)
		for i := range inv.NICs {
			inv.NICs[i].LLDP = nil // the provider's switches
			if v.ReportedAt.Before(since) {
				inv.NICs[i].Addresses = []string{}
			}
		}
		if v.ReportedAt.Before(since) {
			inv.OS = hardware.OS{}
		}
		out.Inventory = &inv
	}
	if v.Sample != nil && !v.SampleAt.Before(since) {
		out.Sample, out.SampleAt = v.Sample, v.SampleAt
	}
	return out
}

// narrowDiagnoses are the diagnostics since a reseller has the server: when it was examined before, and how often, was others' business.
func narrowDiagnoses(d fleet.Diagnoses, c fleet.Claim) fleet.Diagnoses {
	out := fleet.Diagnoses{Server: d.Server}
	first := len(d.Past)
	for i, p := range d.Past {
		if !p.StartedAt.Before(c.Since) && !p.At.Before(c.Since) {
			first = i
			break
		}
	}
	for _, p := range d.Past[first:] {
		p.ID = ""
		out.Past = append(out.Past, p)
	}
	for _, s := range d.Series {
		if s.Values = s.Values[min(first, len(s.Values)):]; slices.ContainsFunc(s.Values, func(v *float64) bool { return v != nil }) {
			out.Series = append(out.Series, s)
		}
	}
	return out
}

func narrowSale(r *row) []byte {
	v := r.value.(*sold).view().narrow()
	return render(&v)
}

// narrow is what the reseller sees of a sale: that he has the server, or had it, and what of his is left. Which of the provider's people did
// what, and why, stays there; what became of a server after him, its name included, is its next owner's business.
func (v Sale) narrow() Sale {
	s := v.Sale
	out := Sale{
		Sale: reselling.Sale{
			ID: s.ID, Reseller: s.Reseller, Path: s.Path, Seller: s.Seller, Server: s.Server, State: s.State, SoldAt: s.SoldAt, ChangedAt: s.ChangedAt, RevokedAt: s.RevokedAt,
		},
		ResellerName: v.ResellerName, SellerName: v.SellerName, SoldOnTo: v.SoldOnTo, ServerName: v.ServerName, Revocable: v.Revocable, WhyNot: v.WhyNot, Rev: v.Rev,
	}
	if s.Under == "" {
		out.Revocable, out.WhyNot = false, "the provider decides about it"
	}
	if s.State == reselling.Revoked {
		out.ServerName = ""
		return out
	}
	out.LeftOvers = s.LeftOvers
	if s.Under != "" && s.State == reselling.Asking { // the seller has to decide, and is told why
		out.Message = s.Message
	}
	return out
}

// narrowRecord is what its customer sees of an order, a service, an address or a subscription. Other records are the same for everybody who sees them.
func narrowRecord(r *row) []byte {
	switch v := r.value.(type) {
	case *order.Order:
		return render(&Order{narrowOrder(v), r.rev})
	case *order.Service:
		return render(&Service{narrowService(v), r.rev})
	case *address.Address:
		return render(&Address{narrowAddress(v), r.rev})
	case *account.Account:
		a := narrowAccount(accountView(v, r.rev))
		return render(&a)
	case *account.Forward:
		f := narrowForward(Forward{*v, v.Domain, r.rev})
		return render(&f)
	case *subscription.Subscription:
		s := *v
		s.Server = "" // where it is carried is the provider's business
		return render(&Subscription{s, s.Title(), r.rev})
	}
	return r.bytes()
}

// toldOfOrder and toldOfService are what a customer is told of a state. What is waited for inside, and what went wrong at which device, is
// for those who can do something about it.
var (
	toldOfOrder = map[string]string{
		order.New: "a server is looked for", order.Waiting: "waiting for a server", order.Held: "a server is made ready",
		order.Preparing: "the server is prepared", order.Fulfilled: "the service is active",
		order.Failed: "it could not be fulfilled; ask the provider, or order again", order.Canceled: "canceled",
	}
	toldOfService = map[string]string{
		order.ServiceOrdered: "ordered", order.ServicePreparing: "the server is prepared", order.ServiceActive: "active",
		order.ServiceStopping: "it is being stopped", order.ServiceStopped: "stopped: it is cut off from the network", order.ServiceResuming: "it is being resumed",
		order.ServiceRescuing: "the rescue system starts", order.ServiceDeleting: "it is being deleted", order.ServiceDeleted: "deleted",
		order.ServiceNeedsAttention: "something did not work; the provider is told, and looks at it", order.ServiceCanceled: "canceled",
	}
)

func narrowOrder(o *order.Order) order.Order {
	return order.Order{
		ID: o.ID, Tariff: o.Tariff, TariffRevision: o.TariffRevision, ServerType: o.ServerType, Configuration: o.Configuration,
		Modules: []string{}, Parts: []match.Change{}, Customer: o.Customer, Image: o.Image, Hostname: o.Hostname, SSHKeys: o.SSHKeys,
		State: o.State, Message: toldOfOrder[o.State], Service: o.Service, Reference: o.Reference, PlacedAt: o.PlacedAt, ChangedAt: o.ChangedAt,
	}
}

func narrowService(s *order.Service) order.Service {
	out := order.Service{
		ID: s.ID, Order: s.Order, Customer: s.Customer, Image: s.Image, Hostname: s.Hostname, State: s.State, Message: toldOfService[s.State],
		PowerOff: s.PowerOff, Reference: s.Reference, CreatedAt: s.CreatedAt, ActiveAt: s.ActiveAt, ChangedAt: s.ChangedAt,
	}
	if s.State == order.ServiceRescue {
		out.Message = s.Message // how he gets in
	}
	return out
}

func narrowAddress(a *address.Address) address.Address {
	return address.Address{
		ID: a.ID, Family: a.Family, Prefix: a.Prefix, Address: a.Address, State: a.State, Service: a.Service, Customer: a.Customer, RDNS: a.RDNS,
		Since: a.Since, Until: a.Until,
	}
}
