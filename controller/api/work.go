package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/logging"
)

type (
	orderBody struct {
		Tariff         string                  `json:"tariff,omitempty" doc:"Id of the tariff. Who has the permission order.configure may give module and configuration instead."`
		Customer       string                  `json:"customer,omitempty" doc:"Whose it is; a customer's own orders need not say."`
		Image          string                  `json:"image" doc:"Id of the image to install."`
		Hostname       string                  `json:"hostname"`
		SSHKeys        []string                `json:"ssh_keys,omitempty" doc:"One line each, as in authorized_keys."`
		UserData       logging.Secret          `json:"user_data,omitempty" doc:"For cloud-init in the installed system, at most 16 KiB: #cloud-config, a script and so on. It is kept sealed until the order is over and never shown."`
		EmailConfirmed bool                    `json:"email_confirmed,omitempty" doc:"Said by the billing program (B5)."`
		Reference      string                  `json:"reference,omitempty" maxLength:"128" doc:"What the caller calls the order. No two of his orders have the same, so that one whose answer was lost is found again."`
		Module         string                  `json:"module,omitempty" doc:"Without a tariff: id of the local module that processes the order."`
		ServerType     string                  `json:"server_type,omitempty" maxLength:"100" doc:"Without a tariff: only servers of this type count (B9)."`
		Configuration  *hardware.Configuration `json:"configuration,omitempty" doc:"Without a tariff: what is ordered; whatever is left out may be anything."`
		ExactOnly      bool                    `json:"exact_only,omitempty" doc:"Without a tariff: take no server that has to be rebuilt (B27)."`
		InstallTimeout int                     `json:"install_timeout,omitempty" doc:"Without a tariff: minutes that the installation may take, 1 to 720; the module's unless given (B14, B15)."`
		DiagTimeout    int                     `json:"diag_timeout,omitempty" doc:"Without a tariff: minutes that diagnostics may take, 1 to 720; the module's unless given (B13)."`
	}
	commentBody struct {
		Text string `json:"text"`
	}
	powerBody struct {
		Action string `json:"action" doc:"on, off (orderly), hard-off or cycle."`
		Reason string `json:"reason,omitempty" doc:"Why; kept in the audit log."`
	}
	taskBody   struct{ task.Draft }
	assignBody struct {
		Assignee string `json:"assignee" doc:"Who works on it; empty for nobody."`
	}
)

var reasonParam = []*huma.Param{{Name: "reason", In: "query", Schema: text0, Description: "Why; kept in the audit log."}}

func (b *taskBody) check(c *fault.Check, look intake.Lookup, _ *state) {
	intake.CheckTask(c, look, b.Draft)
}

func (b *powerBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	known := []string{operation.PowerOn, operation.PowerOff, operation.PowerHardOff, operation.PowerCycle}
	c.Require(slices.Contains(known, b.Action), "action", "is %.40q; use on, off, hard-off or cycle", b.Action)
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

func (b *orderBody) check(c *fault.Check, look intake.Lookup, st *state) {
	img, ok := look.Image(b.Image)
	c.Require(ok, "image", "%.80q does not exist; see: steelyard image list", b.Image)
	c.Require(!ok || !img.Retired, "image", "%s is retired", img.Name)
	order.CheckHostname(c, "hostname", b.Hostname)
	order.CheckSSHKeys(c, "ssh_keys", b.SSHKeys)
	order.CheckUserData(c, "user_data", string(b.UserData))
	order.CheckReference(c, "reference", b.Reference)
	b.checkWhat(c, look, st)
	settings, ok := store.Settings.View(st.call.api.opt.Store, store.FleetSettings)
	c.Require(!ok || !settings.RequireConfirmedEmail || b.EmailConfirmed, "email_confirmed",
		"is false; this fleet takes orders only after the customer confirmed the e-mail address")
	if own := access.ScopeOf(st.actor, "orders"); own.Field != "" {
		c.Require(b.Customer == "" || own.Sees(b.Customer), "customer", "is not you; leave it out")
		return
	}
	order.CheckName(c, "customer", b.Customer)
}

// checkWhat records what is wrong with what is ordered: a tariff, or hardware at a module.
func (b *orderBody) checkWhat(c *fault.Check, look intake.Lookup, st *state) {
	if w := b.configured(); w != nil && st.call.may(access.OrderConfigure) {
		c.Require(b.Tariff == "", "tariff", "and configuration are both given; leave one out")
		w.Check(c, look)
		return
	}
	c.Require(b.configured() == nil, "configuration", "is not yours to choose; order a tariff")
	r := st.call.api.board.sheets["tariffs"].get(b.Tariff)
	c.Require(r != nil, "tariff", "%.80q does not exist; see: steelyard tariff list", b.Tariff)
}

// configured is the part of an order without a tariff; nil when there is none of it.
func (b *orderBody) configured() *intake.ConfiguredWish {
	if b.Module == "" && b.ServerType == "" && b.Configuration == nil && !b.ExactOnly && b.InstallTimeout == 0 && b.DiagTimeout == 0 {
		return nil
	}
	w := &intake.ConfiguredWish{Module: b.Module, ServerType: b.ServerType, Exact: b.ExactOnly, InstallTimeout: b.InstallTimeout, DiagTimeout: b.DiagTimeout}
	if b.Configuration != nil {
		w.Configuration = *b.Configuration
	}
	return w
}

func (a *API) registerWork() {
	a.lister("orders", "Orders", Order{})
	a.getter("orders", "One order", Order{})
	withBody(a, "POST /v1/orders", about{summary: "Place an order", tag: "orders", answer: Order{}, status: http.StatusCreated, creates: true}, a.placeOrder)
	acting(a, "orders", "cancel", "Cancel an order", Order{}, func(ctx context.Context, actor access.Actor, id, reason string) (order.Order, error) {
		return a.in.CancelOrder(ctx, actor, id, reason)
	})
	a.lister("services", "Services", Service{})
	a.getter("services", "One service", Service{})
	acting(a, "services", "stop", "Shut the switch ports of a service (B31)", Service{}, a.in.StopService)
	acting(a, "services", "resume", "Enable the switch ports and turn the server on (B32a)", Service{}, a.in.ResumeService)
	acting(a, "services", "delete", "Take the server back and erase it (B33–B40)", Service{}, a.in.DeleteService)
	acting(a, "services", "rescue", "Start the server from memory and let the customer in by SSH, with the keys of the order", Service{}, a.in.RescueService)
	acting(a, "services", "end-rescue", "Start the server of a rescued service from its disk again", Service{}, a.in.EndRescue)
	withBody(a, "POST /v1/services/{id}/power", about{summary: "Turn the server of a service on or off", tag: "services", answer: Service{}}, a.powerService)

	a.lister("operations", "Operations", Operation{})
	without(a, "GET /v1/operations/{id}", about{summary: "One operation with its progress", tag: "operations", answer: OperationDetail{}}, a.operationDetail)
	acting(a, "operations", "cancel", "Ask to end an operation", Operation{}, a.in.CancelOperation)
	acting(a, "operations", "retry", "Let a held operation try again", Operation{}, a.in.RetryOperation)
	acting(a, "operations", "skip", "Let a held operation go on without its failed step", Operation{}, a.in.SkipStep)

	a.lister("tasks", "Tasks", Task{})
	a.getter("tasks", "One task", Task{})
	withBody(a, "POST /v1/tasks", about{summary: "File a task", tag: "tasks", answer: Task{}, status: http.StatusCreated, creates: true},
		func(c *call, b *taskBody) (reply, error) {
			k, _, err := a.in.CreateTask(c.ctx(), c.actor(), b.Draft)
			return c.created("tasks", k.ID, &k, "", err)
		})
	editor(a, "tasks", "Give a task to another department, or more time; of one that a person filed, change its text", Task{},
		func(d task.Draft, c *fault.Check, _ intake.Lookup, _ string) {
			order.CheckName(c, "department", d.Department)
		},
		func(c *call, id string, rev int64, apply func(task.Draft) (task.Draft, error)) error {
			_, _, err := a.in.EditTask(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	withBody(a, "POST /v1/tasks/{id}/comments", about{summary: "Comment on a task", tag: "tasks", answer: Task{}}, func(c *call, b *commentBody) (reply, error) {
		return a.workOn(c, func(id string) (task.Task, int64, error) { return a.in.CommentTask(c.ctx(), c.actor(), id, b.Text) })
	})
	withBody(a, "POST /v1/tasks/{id}/assign", about{summary: "Say who works on a task", tag: "tasks", answer: Task{}}, func(c *call, b *assignBody) (reply, error) {
		return a.workOn(c, func(id string) (task.Task, int64, error) { return a.in.AssignTask(c.ctx(), c.actor(), id, b.Assignee) })
	})
	withBody(a, "POST /v1/tasks/{id}/close", about{summary: "Close a task by hand", tag: "tasks", answer: Task{}}, func(c *call, b **reasonBody) (reply, error) {
		return a.workOn(c, func(id string) (task.Task, int64, error) {
			return a.in.EndTask(c.ctx(), c.actor(), id, orZero(*b).Reason)
		})
	})
}

func (a *API) placeOrder(c *call, b *orderBody) (reply, error) {
	customer := b.Customer
	if own := access.ScopeOf(c.actor(), "orders"); own.Field != "" {
		customer = own.Value
	}
	w := intake.OrderWish{Tariff: b.Tariff, Customer: customer, Image: b.Image, Hostname: b.Hostname, SSHKeys: b.SSHKeys, UserData: b.UserData, EmailConfirmed: b.EmailConfirmed, Reference: b.Reference, ByConfiguration: b.configured()}
	o, err := a.in.PlaceOrder(c.ctx(), c.actor(), w, func(tx *store.Tx, o order.Order) error {
		return intake.Remember(tx, "orders", o.ID, o, a.opt.Now())
	})
	return c.created("orders", o.ID, &o, "", err)
}

func (a *API) powerService(c *call, b *powerBody) (reply, error) {
	r, err := a.find(c, "services")
	if err != nil {
		return reply{}, err
	}
	if _, err := a.in.PowerService(c.ctx(), c.actor(), r.id, b.Action, b.Reason); err != nil {
		return reply{}, err
	}
	return a.shown(c, "services", r.id)
}

// acting registers an act on a record whose body is a reason.
func acting[T any](a *API, table, action, summary string, view any, f func(ctx context.Context, actor access.Actor, id, reason string) (T, error)) {
	withBody(a, "POST /v1/"+table+"/{id}/"+action, about{summary: summary, tag: table, answer: view}, func(c *call, b **reasonBody) (reply, error) {
		r, err := a.find(c, table)
		if err != nil {
			return reply{}, err
		}
		reason := orZero(*b).Reason
		var check fault.Check
		check.Require(len(reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
		if err := check.Err("the request is not valid"); err != nil {
			return reply{}, err
		}
		if _, err := f(c.ctx(), c.actor(), r.id, reason); err != nil {
			return reply{}, err
		}
		return a.shown(c, table, r.id)
	})
}

func (a *API) workOn(c *call, f func(id string) (task.Task, int64, error)) (reply, error) {
	r, err := a.find(c, "tasks")
	if err != nil {
		return reply{}, err
	}
	if _, _, err := f(r.id); err != nil {
		return reply{}, err
	}
	return a.shown(c, "tasks", r.id)
}

// operationDetail adds the progress that this replica heard last.
func (a *API) operationDetail(c *call) (reply, error) {
	r, err := a.find(c, "operations")
	if err != nil {
		return reply{}, err
	}
	op := r.value.(*operation.Operation)
	if a.opt.Progress == nil || op.State != operation.Running || op.Current >= len(op.Steps) {
		return c.replyOf("operations", r), nil
	}
	p, ok := a.opt.Progress(op.Server)
	if !ok || p.Command != op.Steps[op.Current].CommandID {
		return c.replyOf("operations", r), nil
	}
	return reply{body: render(&OperationDetail{Operation{*op, r.rev}, &p})}, nil
}
