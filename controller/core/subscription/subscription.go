package subscription

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
)

// Subscription is what a customer bought.
type Subscription struct {
	ID          string                    `json:"id"`
	Name        string                    `json:"name"`               // usually the domain of the account
	Reseller    string                    `json:"reseller,omitempty"` // path of whose it is; "" is the provider's own; fixed for ever
	Customer    string                    `json:"customer,omitempty"` // reference of the customer, as services have it
	Server      string                    `json:"server,omitempty"`   // id of the node that carries its account; "" none yet
	Plan        *plan.Edition             `json:"plan,omitempty"`     // none: custom (P4)
	AddOns      []plan.Edition            `json:"add_ons,omitempty"`  // each offer at most once (P2)
	Own         map[string]Own            `json:"own,omitempty"`      // by property: what stands above the offers
	Accepted    map[string]plan.Deviation `json:"accepted,omitempty"` // by property: less than promised, and taken (P15)
	Values      plan.Values               `json:"values"`             // that hold now, all properties
	Locked      bool                      `json:"locked"`             // sync leaves it alone (P8)
	Unsynced    []plan.Deviation          `json:"unsynced,omitempty"` // promises that cannot be kept (P9); none: synced
	Suspended   []string                  `json:"suspended,omitempty" enum:"manual,expired,overuse,reseller"`
	ExpiresAt   time.Time                 `json:"expires_at,omitzero"`
	Warned      map[string]Warning        `json:"warned,omitempty"`       // by property: limits of whose overuse somebody was told (P18)
	PastTraffic []usage.Past              `json:"past_traffic,omitempty"` // limits of traffic that were valid in earlier months (C21)
	Result      Result                    `json:"result"`                 // of the last sync
	Counted     bool                      `json:"counted"`                // what it promises and has counts against its reseller's limits
	Held        map[string]uint64         `json:"held,omitempty"`         // by offer: the edition that waits until the reseller may promise that much
	CreatedAt   time.Time                 `json:"created_at"`
	ChangedAt   time.Time                 `json:"changed_at"`
}

// Own is a value that was set on one subscription.
type Own struct {
	Value plan.Value `json:"value"`
	By    string     `json:"by" enum:"own,pinned,chosen"`
}

// Results of a sync.
const (
	Never    = reselling.Never    // none was made since it was created
	Synced   = reselling.Synced   // all that is promised is there
	Unsynced = reselling.Unsynced // something cannot be provided
	Skipped  = reselling.Skipped  // it is left alone
	Failed   = reselling.Failed   // its reseller may not promise that much (rule X12); it is made as soon as he may
)

// Result tells how the last sync of a subscription ended (rule P6).
type Result = reselling.SyncResult

// Custom is what a subscription without a plan is called.
const Custom = "Custom"

// PlanName is that of its plan, or Custom.
func (s *Subscription) PlanName() string {
	if s.Plan == nil {
		return Custom
	}
	return s.Plan.Name
}

// Promises is how much it promises of what a reseller's limits are about.
func (s *Subscription) Promises() reselling.Limits {
	l := reselling.Limits{reselling.Subscriptions: reselling.AtMost(1)}
	for _, name := range plan.Names(plan.Limited) {
		l[name] = s.Values.Of(name).Limit
	}
	return l
}

// Title is the name with the plan in brackets (rule P3).
func (s *Subscription) Title() string { return s.Name + " (" + s.PlanName() + ")" }

// Offers are the ids of its plan and its add-ons, the plan first.
func (s *Subscription) Offers() (list []string) {
	if s.Plan != nil {
		list = append(list, s.Plan.Offer)
	}
	for _, a := range s.AddOns {
		list = append(list, a.Offer)
	}
	return list
}

// Version of an offer that the subscription holds; 0 when it has none of it.
func (s *Subscription) Version(offer string) uint64 {
	if s.Plan != nil && s.Plan.Offer == offer {
		return s.Plan.Version
	}
	if i := s.addOn(offer); i >= 0 {
		return s.AddOns[i].Version
	}
	return 0
}

func (s *Subscription) addOn(offer string) int {
	return slices.IndexFunc(s.AddOns, func(e plan.Edition) bool { return e.Offer == offer })
}

// Behind reports whether a sync with this version of an offer would reach it: it has an older one, and follows.
func (s *Subscription) Behind(o *plan.Offer) bool {
	v := s.Version(o.ID)
	return v > 0 && v < o.Version && !s.Locked
}
