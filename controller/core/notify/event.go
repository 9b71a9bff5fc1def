package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
)

// Event is one change of state that somebody may want to know.
type Event struct {
	ID   string    `json:"id"`   // evt-…: the same for every receiver and every attempt
	Type string    `json:"type"` // "task.opened", "service.active", "operation.failed", …
	At   time.Time `json:"at"`   // of the commit, by the clock of the replica that made it
	Data Data      `json:"data"`
}

// Data is what an event says of its object, as an operator sees it in the API.
type Data struct {
	Table      string `json:"table"` // "tasks", "services", "operations", "sales" or "accounts"
	ID         string `json:"id"`
	State      string `json:"state"`
	Kind       string `json:"kind,omitempty"` // of a task or operation
	Subject    string `json:"subject,omitempty"`
	Message    string `json:"message,omitempty"` // at most MaxMessage bytes
	Server     string `json:"server,omitempty"`
	ServerName string `json:"server_name,omitempty"` // when it was sent out
	Order      string `json:"order,omitempty"`
	Service    string `json:"service,omitempty"`
	Operation  string `json:"operation,omitempty"`
	Department string `json:"department,omitempty"`
	Assignee   string `json:"assignee,omitempty"` // of a task
	Customer   string `json:"customer,omitempty"`
	Hostname   string `json:"hostname,omitempty"`
	Reseller   string `json:"reseller,omitempty"` // of a sale or an account
}

// MaxMessage bounds the texts of an event.
const MaxMessage = 2000

// Test is the type of an event that a person asked for to try a receiver.
const Test = "test"

// words of the changes that have one of their own.
const (
	opened    = "opened"
	closed    = "closed"
	assigned  = "assigned" // to somebody
	moved     = "moved"    // to another department
	commented = "commented"
	overdue   = "overdue"
	started   = "started"
	resumed   = "resumed"
)

// Object names what the event is about; the events of one object are delivered in
// their order.
func (e Event) Object() string { return e.Data.Table + "/" + e.Data.ID }

// OfTask is the event of a task that came (before is nil) or changed.
func OfTask(before, after *task.Task) (Event, bool) {
	word, message := newsOfTask(before, after)
	if word == "" {
		return Event{}, false
	}
	return Event{Type: "task." + word, Data: Data{
		Table: "tasks", ID: after.ID, State: after.State, Kind: after.Kind, Subject: clip(after.Subject), Message: clip(message), Server: after.Server,
		Order: after.Order, Service: after.Service, Operation: after.Operation, Department: after.Department, Assignee: after.Assignee,
	}}, true
}

// newsOfTask is what happened to a task, the weightiest of it, and what there is to read about it; "" is nothing that anybody waits for.
func newsOfTask(before, after *task.Task) (word, message string) {
	switch {
	case before == nil && after.State == task.Closed:
		return "", ""
	case before == nil || before.State != after.State && after.State == task.Open:
		return opened, after.Body
	case before.State != after.State:
		return closed, after.CloseReason
	case after.State == task.Closed:
		return "", ""
	case after.Overdue && !before.Overdue:
		return overdue, "It was to be done by " + after.DueAt.UTC().Format("2006-01-02 15:04 UTC") + "."
	case before.Department != after.Department:
		return moved, after.Body
	case after.Assignee != "" && before.Assignee != after.Assignee:
		return assigned, after.Body
	case len(after.Comments) > len(before.Comments):
		last := after.Comments[len(after.Comments)-1]
		return commented, last.Author + ": " + last.Text
	}
	return "", ""
}

// OfService is the event of a service that came or changed its state.
func OfService(before, after *order.Service) (Event, bool) {
	if before != nil && before.State == after.State {
		return Event{}, false
	}
	return Event{Type: "service." + after.State, Data: Data{
		Table: "services", ID: after.ID, State: after.State, Message: clip(after.Message), Server: after.Server,
		Order: after.Order, Service: after.ID, Operation: after.Operation, Customer: after.Customer, Hostname: after.Hostname,
	}}, true
}

// OfOperation is the event of an operation that came or changed its state.
func OfOperation(before, after *operation.Operation) (Event, bool) {
	word := after.State
	switch {
	case before == nil:
		word = started
	case before.State == after.State:
		return Event{}, false
	case after.State == operation.Running:
		word = resumed
	}
	return Event{Type: "operation." + word, Data: Data{
		Table: "operations", ID: after.ID, State: after.State, Kind: after.Kind, Message: clip(after.Message), Server: after.Server,
		Order: after.Order, Service: after.Service, Operation: after.ID, Department: after.Department,
	}}, true
}

// OfSale is the event of a sale that was made or changed its state.
func OfSale(before, after *reselling.Sale) (Event, bool) {
	if before != nil && before.State == after.State {
		return Event{}, false
	}
	return Event{Type: "sale." + after.State, Data: Data{
		Table: "sales", ID: after.ID, State: after.State, Message: clip(after.Message), Server: after.Server, Operation: after.Operation, Reseller: after.Reseller,
	}}, true
}

// OfAccount is the event of an account that came or changed its state.
func OfAccount(before, after *account.Account) (Event, bool) {
	if before != nil && before.State == after.State {
		return Event{}, false
	}
	return Event{Type: "account." + after.State, Data: Data{
		Table: "accounts", ID: after.ID, State: after.State, Message: clip(after.Message), Server: after.Server, Customer: after.Customer,
		Hostname: after.Domain, Reseller: after.Reseller,
	}}, true
}

// Types lists every type of event.
func Types() []string {
	var list []string
	for _, word := range []string{opened, assigned, moved, commented, overdue, closed} {
		list = append(list, "task."+word)
	}
	for _, state := range []string{
		order.ServiceOrdered, order.ServicePreparing, order.ServiceActive, order.ServiceStopping, order.ServiceStopped,
		order.ServiceResuming, order.ServiceRescuing, order.ServiceRescue, order.ServiceDeleting, order.ServiceDeleted, order.ServiceNeedsAttention, order.ServiceCanceled,
	} {
		list = append(list, "service."+state)
	}
	for _, word := range []string{started, operation.Held, resumed, operation.Done, operation.Failed, operation.Canceled} {
		list = append(list, "operation."+word)
	}
	for _, state := range reselling.SaleStates {
		list = append(list, "sale."+state)
	}
	for _, state := range account.States {
		list = append(list, "account."+state)
	}
	return list
}

// Wanted reports whether one of the patterns names the type: it itself, all of its
// noun ("task.*"), or all ("*").
func Wanted(patterns []string, kind string) bool {
	noun, _, _ := strings.Cut(kind, ".")
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "*" || p == kind || p == noun+".*" })
}

// clip shortens a text to MaxMessage bytes, between two characters.
func clip(s string) string { return shorten(s, MaxMessage) }

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}
