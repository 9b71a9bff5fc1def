package api

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
)

// text is a column to filter by and to sort by; values are those a filter may name.
func text[T any](name string, of func(*T) string, values ...string) column {
	get := func(v any) string { return of(v.(*T)) }
	return column{name: name, values: values, text: get, sort: func(v any) key { return key{S: get(v)} }}
}

// path is the column of the reseller whose a record is, to narrow lists by and to filter by: by the whole path, or by his id alone.
func path[T any](name string, of func(*T) string) column {
	c := text(name, of)
	c.path = true
	return c
}

// moment is a column to sort by.
func moment[T any](name string, of func(*T) time.Time) column {
	return column{name: name, sort: func(v any) key {
		t := of(v.(*T))
		if t.IsZero() {
			return key{}
		}
		return key{N: t.UnixNano()}
	}}
}

// number is a column to sort by.
func number[T any](name string, of func(*T) int64) column {
	return column{name: name, sort: func(v any) key { return key{N: of(v.(*T))} }}
}

// label is a column to sort by without regard to case; it is found by q.
func label[T any](name string, of func(*T) string) column {
	return column{name: name, sort: func(v any) key { return key{S: strings.ToLower(of(v.(*T)))} }}
}

// only makes a column one that is only filtered by.
func only(c column) column { c.sort = nil; return c }

// hiding leaves rows with a value out of lists that do not ask for it.
func hiding(c column, value string) column { c.hidden = value; return c }

// inside makes a column one of the provider alone: an order or a choice by it would tell what narrow hides.
func inside(c column) column { c.inside = true; return c }

// many makes a column whose text is several values with commas.
func many(c column) column { c.many = true; return c }

var yesNo = []string{"true", "false"}

func newSheets() map[string]*sheet {
	sheets := map[string]*sheet{}
	for _, s := range []*sheet{
		serverSheet(), locationSheet(), poolSheet(), addressSheet(), moduleSheet(), remoteSheet(), tariffSheet(), orderSheet(), serviceSheet(),
		operationSheet(), erasureSheet(), taskSheet(), imageSheet(), tokenSheet(), userSheet(), auditSheet(), bmcSheet(), switchSheet(),
		webhookSheet(), routeSheet(), deliverySheet(), saleSheet(),
		departmentSheet(),
		resellerSheet(), planSheet(), signUpSheet(),
		serverGroupSheet(), serverPoolSheet(), placementSheet(),
		accountSheet(), forwardSheet(), customerSheet(), offerSheet(), subscriptionSheet(),
	} {
		sheets[s.name] = s
	}
	return sheets
}

func serverSheet() *sheet {
	return newSheet("servers",
		label("id", func(m *machine) string { return m.server.ID }),
		label("name", func(m *machine) string { return m.server.Name }),
		text("location", func(m *machine) string { return m.server.Location }),
		text("rack", func(m *machine) string { return m.server.Rack }),
		text("server_type", func(m *machine) string { return m.server.ServerType }),
		text("environment", func(m *machine) string { return m.server.Environment }),
		hiding(text("approval", func(m *machine) string { return m.server.Approval }, fleet.Pending, fleet.Approved, fleet.Rejected, fleet.Retired), fleet.Retired),
		text("claim", func(m *machine) string { return m.server.Claim.Kind },
			fleet.ClaimNone, fleet.ClaimPlan, fleet.ClaimReseller, fleet.ClaimClient, fleet.ClaimHeld),
		path("reseller", func(m *machine) string { return m.server.Claim.Owner }),
		many(text("label", func(m *machine) string { return m.labels() }, labelNames()...)),
		many(text("service", func(m *machine) string { return m.services() }, reselling.ServiceTypes...)),
		inside(many(text("pool", func(m *machine) string { return strings.Join(m.inPools, ",") }))),
		text("cleanliness", func(m *machine) string { return m.server.Cleanliness }, fleet.Clean, fleet.Dirty),
		text("available", func(m *machine) string { return strconv.FormatBool(m.available) }, yesNo...),
		text("sellable", func(m *machine) string { return strconv.FormatBool(fleet.Sellable(m.server, m.reasons)) }, yesNo...),
		text("connected", func(m *machine) string { return strconv.FormatBool(m.presence != nil) }, yesNo...),
		text("maintenance", func(m *machine) string { return strconv.FormatBool(m.server.Maintenance != nil) }, yesNo...),
		text("quarantine", func(m *machine) string { return strconv.FormatBool(m.server.Quarantine != nil) }, yesNo...),
		text("power", func(m *machine) string { return m.power().State }, outofband.On, outofband.Off, outofband.Unknown),
		inside(moment("created_at", func(m *machine) time.Time { return m.server.CreatedAt })),
		inside(moment("free_since", func(m *machine) time.Time { return m.server.FreeSince })),
		inside(number("traffic_in", func(m *machine) int64 { return carried(m).in })),
		inside(number("traffic_out", func(m *machine) int64 { return carried(m).out })),
	)
}

// carried is what a server received and sent, -1 when nobody counts it.
func carried(m *machine) (n struct{ in, out int64 }) {
	if m.traffic == nil {
		n.in, n.out = -1, -1
		return n
	}
	n.in, n.out = int64(min(m.traffic.InBytes, math.MaxInt64)), int64(min(m.traffic.OutBytes, math.MaxInt64))
	return n
}

func locationSheet() *sheet {
	return newSheet("locations",
		label("id", func(l *fleet.Location) string { return l.ID }),
		label("name", func(l *fleet.Location) string { return l.Name }),
		text("external_id", func(l *fleet.Location) string { return l.ExternalID }),
		number("sort_order", func(l *fleet.Location) int64 { return int64(l.SortOrder) }),
	)
}

func moduleSheet() *sheet {
	return newSheet("modules",
		label("id", func(m *order.Module) string { return m.ID }),
		label("name", func(m *order.Module) string { return m.Name }),
		text("kind", func(m *order.Module) string { return m.Kind }, order.ModuleLocal, order.ModuleRemote),
		text("location", func(m *order.Module) string { return m.Location }),
		text("department", func(m *order.Module) string { return m.Department }),
		number("sort_order", func(m *order.Module) int64 { return int64(m.SortOrder) }),
		moment("created_at", func(m *order.Module) time.Time { return m.CreatedAt }),
	)
}

func remoteSheet() *sheet {
	return newSheet("remotes",
		label("id", func(r *order.Remote) string { return r.Module }),
		text("state", func(r *order.Remote) string { return r.State },
			order.RemoteConnected, order.RemoteUnreachable, order.RemoteDenied, order.RemoteChanged),
		moment("since", func(r *order.Remote) time.Time { return r.Since }),
		moment("seen_at", func(r *order.Remote) time.Time { return r.SeenAt }),
	)
}

func tariffSheet() *sheet {
	return newSheet("tariffs",
		label("id", func(t *order.Tariff) string { return t.ID }),
		label("name", func(t *order.Tariff) string { return t.Name }),
		text("retired", func(t *order.Tariff) string { return strconv.FormatBool(t.Retired) }, yesNo...),
		text("server_type", func(t *order.Tariff) string { return t.ServerType }),
		moment("created_at", func(t *order.Tariff) time.Time { return t.CreatedAt }),
	)
}

func orderSheet() *sheet {
	return newSheet("orders",
		label("id", func(o *order.Order) string { return o.ID }),
		text("state", func(o *order.Order) string { return o.State },
			order.New, order.Waiting, order.Held, order.Preparing, order.Fulfilled, order.Failed, order.Canceled),
		text("customer", func(o *order.Order) string { return o.Customer }),
		text("tariff", func(o *order.Order) string { return o.Tariff }),
		inside(text("module", func(o *order.Order) string { return o.Module })),
		inside(text("server", func(o *order.Order) string { return o.Server })),
		text("reference", func(o *order.Order) string { return o.Reference }),
		moment("placed_at", func(o *order.Order) time.Time { return o.PlacedAt }),
		moment("changed_at", func(o *order.Order) time.Time { return o.ChangedAt }),
	)
}

func serviceSheet() *sheet {
	return newSheet("services",
		label("id", func(s *order.Service) string { return s.ID }),
		text("state", func(s *order.Service) string { return s.State },
			order.ServiceOrdered, order.ServicePreparing, order.ServiceActive, order.ServiceStopping, order.ServiceStopped, order.ServiceResuming,
			order.ServiceRescuing, order.ServiceRescue, order.ServiceDeleting, order.ServiceDeleted, order.ServiceNeedsAttention, order.ServiceCanceled),
		text("customer", func(s *order.Service) string { return s.Customer }),
		text("order", func(s *order.Service) string { return s.Order }),
		inside(text("server", func(s *order.Service) string { return s.Server })),
		label("hostname", func(s *order.Service) string { return s.Hostname }),
		moment("created_at", func(s *order.Service) time.Time { return s.CreatedAt }),
		moment("changed_at", func(s *order.Service) time.Time { return s.ChangedAt }),
	)
}

func operationSheet() *sheet {
	return newSheet("operations",
		label("id", func(o *operation.Operation) string { return o.ID }),
		text("kind", func(o *operation.Operation) string { return o.Kind },
			operation.Diagnose, operation.Erase, operation.Install, operation.Power, operation.Stop, operation.Resume, operation.Rescue, operation.Delete, operation.Inspect, operation.MoveContent),
		text("state", func(o *operation.Operation) string { return o.State },
			operation.Running, operation.Held, operation.Done, operation.Failed, operation.Canceled),
		text("server", func(o *operation.Operation) string { return o.Server }),
		text("order", func(o *operation.Operation) string { return o.Order }),
		text("service", func(o *operation.Operation) string { return o.Service }),
		moment("created_at", func(o *operation.Operation) time.Time { return o.CreatedAt }),
		moment("finished_at", func(o *operation.Operation) time.Time { return o.FinishedAt }),
	)
}

func erasureSheet() *sheet {
	return newSheet("erasures",
		label("id", func(e *erase.Erasure) string { return e.ID }),
		text("server", func(e *erase.Erasure) string { return e.Server }),
		text("operation", func(e *erase.Erasure) string { return e.Operation }),
		text("serial", func(e *erase.Erasure) string { return e.Serial }),
		text("proven", func(e *erase.Erasure) string { return strconv.FormatBool(e.Proven) }, yesNo...),
		moment("at", func(e *erase.Erasure) time.Time { return e.At }),
	)
}

func taskSheet() *sheet {
	return newSheet("tasks",
		label("id", func(t *task.Task) string { return t.ID }),
		text("state", func(t *task.Task) string { return t.State }, task.Open, task.Closed),
		text("kind", func(t *task.Task) string { return t.Kind },
			task.Build, task.Moderation, task.Cleanup, task.Conflict, task.Approval, task.Failure, task.Manual),
		text("department", func(t *task.Task) string { return t.Department }),
		text("assignee", func(t *task.Task) string { return t.Assignee }),
		text("overdue", func(t *task.Task) string { return strconv.FormatBool(t.Overdue) }, yesNo...),
		label("subject", func(t *task.Task) string { return t.Subject }),
		moment("due_at", func(t *task.Task) time.Time { return t.DueAt }),
		text("server", func(t *task.Task) string { return t.Server }),
		text("order", func(t *task.Task) string { return t.Order }),
		text("service", func(t *task.Task) string { return t.Service }),
		text("operation", func(t *task.Task) string { return t.Operation }),
		moment("created_at", func(t *task.Task) time.Time { return t.CreatedAt }),
		moment("changed_at", func(t *task.Task) time.Time { return t.ChangedAt }),
	)
}

func imageSheet() *sheet {
	return newSheet("images",
		label("id", func(i *image.Image) string { return i.ID }),
		label("name", func(i *image.Image) string { return i.Name }),
		text("os_family", func(i *image.Image) string { return i.OSFamily }, "linux", "windows"),
		text("retired", func(i *image.Image) string { return strconv.FormatBool(i.Retired) }, yesNo...),
		moment("created_at", func(i *image.Image) time.Time { return i.CreatedAt }),
	)
}

func tokenSheet() *sheet {
	return newSheet("tokens",
		label("id", func(t *access.Token) string { return t.ID }),
		label("name", func(t *access.Token) string { return t.Name }),
		text("kind", func(t *access.Token) string { return t.Kind }, access.TokenAPI, access.TokenSession, access.TokenJoin, access.TokenProgram, access.TokenReset, access.TokenHandOver, access.TokenBoot),
		text("user", func(t *access.Token) string { return t.User }),
		text("location", func(t *access.Token) string { return t.Location }),
		text("revoked", func(t *access.Token) string { return strconv.FormatBool(t.Revoked) }, yesNo...),
		moment("created_at", func(t *access.Token) time.Time { return t.CreatedAt }),
		moment("expires_at", func(t *access.Token) time.Time { return t.ExpiresAt }),
	)
}

func userSheet() *sheet {
	return newSheet("users",
		label("id", func(u *access.User) string { return u.ID }),
		label("name", func(u *access.User) string { return u.Name }),
		text("role", func(u *access.User) string { return string(u.Role) }),
		text("customer", func(u *access.User) string { return u.Customer }),
		path("reseller", func(u *access.User) string { return u.Reseller }),
		text("disabled", func(u *access.User) string { return strconv.FormatBool(u.Disabled) }, yesNo...),
		moment("created_at", func(u *access.User) time.Time { return u.CreatedAt }),
	)
}

func auditSheet() *sheet {
	return newSheet("audit",
		label("id", func(a *access.Audit) string { return a.ID }),
		text("action", func(a *access.Audit) string { return a.Action }),
		only(text("object", func(a *access.Audit) string { return a.Object })),
		text("actor", func(a *access.Audit) string { return a.Actor.Name }),
		moment("at", func(a *access.Audit) time.Time { return a.At }),
	)
}

func bmcSheet() *sheet {
	return newSheet("bmcs",
		label("id", func(b *outofband.BMC) string { return b.Server }),
		text("driver", func(b *outofband.BMC) string { return b.Driver },
			outofband.DriverIPMI, outofband.DriverRedfish, outofband.DriverWOL, outofband.DriverAgent, outofband.DriverManual),
		label("address", func(b *outofband.BMC) string { return b.Address }),
		only(text("pin_waiting", func(b *outofband.BMC) string { return strconv.FormatBool(b.PinSeen != "") }, yesNo...)),
		only(text("allow_weak", func(b *outofband.BMC) string { return strconv.FormatBool(b.AllowWeak) }, yesNo...)),
		moment("changed_at", func(b *outofband.BMC) time.Time { return b.ChangedAt }),
	)
}

func switchSheet() *sheet {
	return newSheet("switches",
		label("id", func(s *outofband.Switch) string { return s.ID }),
		label("name", func(s *outofband.Switch) string { return s.Name }),
		text("location", func(s *outofband.Switch) string { return s.Location }),
		text("driver", func(s *outofband.Switch) string { return s.Driver }, outofband.SwitchSNMP, outofband.SwitchManual),
		label("address", func(s *outofband.Switch) string { return s.Address }),
		moment("created_at", func(s *outofband.Switch) time.Time { return s.CreatedAt }),
	)
}
