package order

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// SeenOrder is the counterpart of an order as its backend tells it.
type SeenOrder struct {
	ID          string `json:"id"`
	Reference   string `json:"reference"`
	State       string `json:"state"`
	Message     string `json:"message"`
	Server      string `json:"server"`
	Service     string `json:"service"`
	Distance    int    `json:"distance"`
	HoldExpired bool   `json:"hold_expired"`
}

// SeenService is the counterpart of a service as its backend tells it.
type SeenService struct {
	ID        string    `json:"id"`
	Reference string    `json:"reference"`
	State     string    `json:"state"`
	Message   string    `json:"message"`
	Server    string    `json:"server"`
	PowerOff  bool      `json:"power_off"`
	ChangedAt time.Time `json:"changed_at"`
}

// Wishes about a service at a remote module. They are words of its API.
const (
	WishStop   = "stop"
	WishResume = "resume"
	WishDelete = "delete"
	WishPower  = "power"
	WishRescue = "rescue"

	WishEndRescue = "end-rescue"
)

// Mirror brings an order that a remote module prepares, and its service, up to what is so there.
// back is true when the backend has no server for it: it is to be matched anew.
func Mirror(o Order, svc Service, seen SeenOrder, where string, now time.Time) (Order, Service, bool) {
	o.Remote.Order, o.Remote.Service, o.Remote.Server = seen.ID, seen.Service, seen.Server
	o.Distance = seen.Distance
	message := "at " + where + ": " + seen.Message
	var state, service string
	switch seen.State {
	case Waiting:
		return o, svc, true
	case New, Preparing:
		state, service = Preparing, ServicePreparing
	case Held:
		state, service = Held, ServiceOrdered
	case Failed, Canceled:
		state, service = Failed, ServiceNeedsAttention
	case Fulfilled:
		state, service, message = Fulfilled, ServiceActive, "the service is active"
	default:
		return o, svc, false // a word of a later version; what we have stays
	}
	if o.State != state || o.Message != message {
		o.State, o.Message, o.ChangedAt = state, message, now
	}
	if svc.State == service && svc.Message == message {
		return o, svc, false
	}
	svc.State, svc.Message, svc.ChangedAt = service, message, now
	if state == Fulfilled {
		svc.Message, svc.ActiveAt = "active", now
		svc.Remote = RemoteService{Module: o.Remote.Module, Service: seen.Service, Server: seen.Server, State: ServiceActive, SeenAt: now}
	}
	return o, svc, false
}

// wished tells, for each wish, the state on the way and the one at the end.
var wished = map[string]struct{ moving, done string }{
	WishStop:   {ServiceStopping, ServiceStopped},
	WishResume: {ServiceResuming, ServiceActive},
	WishRescue: {ServiceRescuing, ServiceRescue},

	WishEndRescue: {ServiceResuming, ServiceActive},

	WishDelete: {ServiceDeleting, ServiceDeleted},
	WishPower:  {ServiceActive, ServiceActive},
}

// Follow brings a service at a remote module up to what is so there. ask is true when its wish is
// still to be told there. Of a wish that was told, a state which is neither on the way nor at the
// end is the answer: it failed, or somebody there decided otherwise.
func Follow(svc Service, seen SeenService, where string, now time.Time) (after Service, ask bool) {
	was := svc
	svc.Remote.State, svc.Remote.Server = seen.State, seen.Server
	w, wishing := wished[svc.Remote.Wish]
	switch {
	case !wishing:
		svc.settle(seen, where)
	case svc.Remote.Wish == WishPower:
		ask = svc.followPower(seen, where)
	case seen.State == w.done:
		svc.settle(seen, where)
	case seen.State == w.moving:
		svc.State, svc.Message = w.moving, told(where, seen.Message)
	case svc.Remote.Asked:
		svc.settle(seen, where)
	default:
		ask = true
	}
	if svc.State != was.State || svc.Message != was.Message || svc.PowerOff != was.PowerOff {
		svc.ChangedAt = now
	}
	if svc != was || now.Sub(svc.Remote.SeenAt) > seenEvery {
		svc.Remote.SeenAt = now
	}
	return svc, ask
}

// seenEvery is how old the time of the last look may get in a record.
const seenEvery = time.Hour

func told(where, message string) string { return "at " + where + ": " + message }

// settle ends the wish, and shows what is so there. That somebody there took the service away
// without being asked is nothing to hide: it needs a person.
func (s *Service) settle(seen SeenService, where string) {
	wish := s.Remote.Wish
	s.Remote.Wish, s.Remote.Action, s.Remote.Reason, s.Remote.Asked, s.Remote.Before = "", "", "", false, time.Time{}
	switch seen.State {
	case ServiceActive:
		s.State, s.PowerOff = ServiceActive, seen.PowerOff
		switch {
		case s.Remote.Refused != "":
			s.Message = s.Remote.Refused
		case seen.PowerOff:
			s.Message = told(where, seen.Message)
		default:
			s.Message = "active"
		}
	case ServiceDeleted:
		if wish != WishDelete && s.State != ServiceDeleted && s.State != ServiceDeleting {
			s.State, s.Message = ServiceNeedsAttention, "it was deleted at "+where+" without being asked from here; delete it here too when that is right"
			return
		}
		s.State, s.Message, s.PowerOff = ServiceDeleted, told(where, seen.Message), false
	case ServiceStopping, ServiceStopped, ServiceResuming, ServiceRescuing, ServiceRescue, ServiceDeleting, ServiceNeedsAttention:
		s.State, s.Message = seen.State, told(where, seen.Message)
	}
}

// followPower: an action is not a state, so it was done when the service there changed since it was
// seen before the asking, and wants its power as we do.
func (s *Service) followPower(seen SeenService, where string) (ask bool) {
	switch {
	case s.Remote.Before.IsZero():
		s.Remote.Before = seen.ChangedAt
		return true
	case seen.ChangedAt.Equal(s.Remote.Before):
		return true
	case seen.State == ServiceActive && seen.PowerOff != s.PowerOff:
		s.Remote.Before = seen.ChangedAt // another change came between
		return true
	}
	s.settle(seen, where)
	return false
}

// Declined ends a wish that the backend refused: the service stays as it was (rule B32).
func (s Service) Declined(seen SeenService, where, words string, now time.Time) Service {
	wish := s.Remote.Wish
	s.settle(seen, where)
	s.Remote.Refused = wish + " was refused at " + where + ": " + words
	s.Message, s.ChangedAt = s.Remote.Refused, now
	return s
}

// Moving reports whether a service at a remote module is on its way to another state.
func (s *Service) Moving() bool {
	return s.Remote.Wish != "" || s.State == ServiceStopping || s.State == ServiceResuming || s.State == ServiceRescuing || s.State == ServiceDeleting
}

// Wish notes what a service at a remote module is to become; there is true when it is so, or on its
// way. The rules are those of a service here.
func Wish(svc *Service, wish, action, reason string) (there bool, err error) {
	w := wished[wish]
	switch {
	case wish == WishDelete && svc.State == ServiceCanceled, wish != WishPower && (svc.State == w.done || svc.State == w.moving):
		return true, nil
	case svc.State == ServiceDeleted || svc.State == ServiceDeleting:
		return false, fault.Refused("service %s is %s; nothing else can be done to it", svc.ID, svc.State)
	case wish != WishDelete && svc.Remote.Wish != "":
		return false, fault.Refused("service %s is being asked to %s; wait for it", svc.ID, svc.Remote.Wish)
	case wish == WishRescue && svc.State != ServiceActive:
		return false, fault.Refused("service %s is %s; only an active one is rescued", svc.ID, svc.State)
	case wish == WishEndRescue && svc.State != ServiceRescue:
		return false, fault.Refused("service %s is %s; there is no rescue to end", svc.ID, svc.State)
	case wish == WishPower && svc.State != ServiceActive:
		return false, fault.Refused("service %s is %s; only an active one is switched on and off", svc.ID, svc.State)
	case wish == WishPower && action == "boot-ram":
		return false, fault.Refused("a customer's server is not booted into the RAM environment; use on, off, hard-off or cycle")
	}
	svc.Remote.Wish, svc.Remote.Action, svc.Remote.Reason, svc.Remote.Asked, svc.Remote.Before = wish, action, reason, false, time.Time{}
	svc.Remote.Refused = ""
	svc.State, svc.Message = w.moving, "it is being asked to "+wish
	if wish == WishPower {
		svc.PowerOff = action == "off" || action == "hard-off"
		svc.Message = "power: " + action
	}
	return false, nil
}
