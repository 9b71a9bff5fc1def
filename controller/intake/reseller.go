package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// ResellerDraft is what a person says of a reseller.
type ResellerDraft struct {
	Name     string           `json:"name" doc:"Shown to people; unique among the resellers of its parent, without regard to case."`
	Company  string           `json:"company" doc:"As it is on letters."`
	Email    string           `json:"email" doc:"Where mails for the reseller go."`
	Parent   string           `json:"parent,omitempty" doc:"Id of the reseller that it belongs to; none is the provider. Fixed for ever."`
	Limits   reselling.Limits `json:"limits,omitempty" doc:"By resource: a whole number, or \"no limit\". Of servers, customers, disk_mib and traffic_mib one that is missing is 0; of the rest none. What is named here, a plan does not change."`
	Oversell bool             `json:"oversell,omitempty" doc:"What the reseller promises, to customers and to those below, may add up to more than the limits; they hold for what there is then."`
}

// DraftOfReseller is the draft that would make r.
func DraftOfReseller(r reselling.Reseller) ResellerDraft {
	return ResellerDraft{Name: r.Name, Company: r.Company, Email: r.Email, Parent: r.Parent, Limits: r.Limits, Oversell: r.Oversell}
}

func (d ResellerDraft) onto(r reselling.Reseller) reselling.Reseller {
	r.Name, r.Company, r.Email, r.Limits, r.Oversell = d.Name, d.Company, d.Email, d.Limits, d.Oversell
	return r
}

// Check records all fields of a new reseller that are wrong, as far as the draft and the name go. Which names are taken is told only below
// a parent whom the actor sees.
func (d ResellerDraft) Check(c *fault.Check, look Lookup, actor access.Actor) {
	if _, seen := seenReseller(look, actor, d.Parent); seen || d.Parent == "" && !narrowed(actor) {
		d.checkName(c, look, "")
	}
	r := d.onto(reselling.Reseller{})
	r.Check(c)
}

// CheckEdit records all fields that are wrong in what the reseller self should become.
func (d ResellerDraft) CheckEdit(c *fault.Check, look Lookup, self string) {
	if before, ok := look.Reseller(self); ok { // whoever the draft names as parent: he stays where he is
		here := d
		here.Parent = before.Parent
		here.checkName(c, look, self)
	}
	r := d.onto(reselling.Reseller{})
	r.Check(c)
}

func (d ResellerDraft) checkName(c *fault.Check, look Lookup, self string) {
	if holder, taken := look.Holder("resellers", d.name()); taken && holder != self { // whose it is may be none of the caller's business
		c.Add("name", "%.80q is taken; names differ by more than case", d.Name)
	}
}

// name is what no other reseller with the same parent has.
func (d ResellerDraft) name() string { return d.Parent + "/" + d.Name }

// CreateReseller adds a reseller. Faults: invalid; refused when the one above is disabled or suspended.
func (in *Intake) CreateReseller(ctx context.Context, actor access.Actor, d ResellerDraft) (r reselling.Reseller, rev int64, err error) {
	now, fresh := in.now(), id.New("rsl")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		r = d.onto(reselling.Reseller{ID: fresh, Parent: d.Parent, Path: fresh, State: reselling.Active, CreatedAt: now})
		err := checkedReseller(tx, actor, "the reseller cannot be made", d, "", func(c *fault.Check, parent *reselling.Reseller) {
			if parent == nil {
				return
			}
			r.Path = parent.Path + "/" + fresh
			c.Require(r.Depth() <= reselling.MaxDepth, "parent", "%s is %d below the provider already; %d are the most", parent.Name, parent.Depth(), reselling.MaxDepth)
			before := *parent
			parent.Below = parent.Below.Change(nil, r.Limits)
			parent.CheckGiven(c, &before)
		})
		if err == nil && d.Parent != "" { // nothing new is made for who is kept out
			_, err = working(tx, d.Parent)
		}
		return cmp.Or(err, store.Resellers.Create(tx, r.ID, r), rename(tx, "resellers", "", d.name(), r.ID),
			audit(tx, actor, "reseller.create", "resellers/"+r.ID, nil, r, "", now), remember(tx, "resellers", r.ID, r, now))
	})
	return r, rev, err
}

// EditReseller changes a reseller that is still at revision rev. His limits stay within his parent's, and those of the resellers below
// him within his, unless the one above oversells.
func (in *Intake) EditReseller(ctx context.Context, actor access.Actor, resellerID string, rev int64,
	edit func(ResellerDraft) (ResellerDraft, error),
) (r reselling.Reseller, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Resellers.Get(tx, resellerID)
		if err != nil {
			return err
		}
		if err := cmp.Or(above(actor, before), unchanged(in, store.Resellers, resellerID, rev, before)); err != nil {
			return err
		}
		d, err := edit(DraftOfReseller(before))
		if err != nil {
			return err
		}
		if r, err = byHand(tx, before, d.onto(before), now); err != nil {
			return err
		}
		if r, err = withRetail(tx, r); err != nil {
			return err
		}
		before.Retail = r.Retail
		err = checkedReseller(tx, actor, "the reseller cannot be changed", d, resellerID, func(c *fault.Check, parent *reselling.Reseller) {
			c.Require(d.Parent == before.Parent, "parent", "cannot be changed; what the reseller has is counted there")
			r.CheckGiven(c, &before)
			for name, has := range map[string]uint64{reselling.Servers: r.Servers, reselling.Customers: r.Customers} {
				limit := r.Limits.Of(name)
				promised := name == reselling.Customers && !r.Oversell // and so checked already
				c.Require(promised || limit.Allows(has) || before.Limits.Of(name).Within(limit), "limits."+name, "is %s; the reseller has %d", limit, has)
			}
			if parent != nil {
				was := *parent
				parent.Below = parent.Below.Change(before.Limits, r.Limits)
				parent.CheckGiven(c, &was)
			}
		})
		return cmp.Or(err, store.Resellers.Put(tx, resellerID, r), rename(tx, "resellers", DraftOfReseller(before).name(), DraftOfReseller(r).name(), resellerID),
			audit(tx, actor, "reseller.edit", "resellers/"+resellerID, before, r, "", now))
	})
	return r, at, err
}

// above refuses a reseller what only those above him may decide: about himself, too.
func above(actor access.Actor, r reselling.Reseller) error {
	switch scope := access.ScopeOf(actor, "resellers"); {
	case !scope.Sees(r.Path):
		return fault.NotFound("reseller %q does not exist", r.ID)
	case scope.Field != "" && scope.Value == r.Path:
		return fault.Denied("what reseller %s is and may have is decided by who is above him", r.Name)
	}
	return nil
}

// checkedReseller checks a draft, and what more sees of its parent, nil being the provider. The parent is stored as more leaves it: so two
// children that are made at once meet in it.
func checkedReseller(tx *store.Tx, actor access.Actor, sentence string, d ResellerDraft, self string, more func(*fault.Check, *reselling.Reseller)) error {
	var parent *reselling.Reseller
	if d.Parent != "" {
		p, known, err := store.Resellers.Find(tx, d.Parent)
		if err != nil {
			return err
		}
		if known && access.ScopeOf(actor, "resellers").Sees(p.Path) {
			if p, err = withRetail(tx, p); err != nil {
				return err
			}
			parent = &p
		}
	}
	err := checked(tx, sentence, func(c *fault.Check, look Lookup) {
		if self == "" {
			d.Check(c, look, actor)
		} else {
			d.CheckEdit(c, look, self)
		}
		if d.Parent != "" && parent == nil {
			c.Add("parent", "%.80q does not exist; see: steelyard reseller list", d.Parent)
			return
		}
		c.Require(parent != nil || access.ScopeOf(actor, "resellers").Field == "", "parent", "is missing; name yourself, or a reseller below you")
		more(c, parent)
	})
	if err != nil || parent == nil {
		return err
	}
	return store.Resellers.Put(tx, parent.ID, *parent)
}

// SetResellerState lets a reseller work, keeps his people out, or suspends him with all his customers. A reason is needed for all but the
// first.
func (in *Intake) SetResellerState(ctx context.Context, actor access.Actor, resellerID, state, reason string) (r reselling.Reseller, rev int64, err error) {
	now := in.now()
	if state != reselling.Active {
		if err := needReason(reason, "the reseller will ask"); err != nil {
			return r, 0, err
		}
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Resellers.Get(tx, resellerID)
		if err != nil {
			return err
		}
		if err := above(actor, before); err != nil {
			return err
		}
		r = before
		if r.State == state {
			return nil
		}
		if r.State, r.Note = state, reason; state == reselling.Active {
			r.Note = ""
		}
		return cmp.Or(store.Resellers.Put(tx, resellerID, r), audit(tx, actor, "reseller."+state, "resellers/"+resellerID, before, r, reason, now))
	})
	return r, rev, err
}

// working reads a reseller, and refuses one that may not get anything now: he is disabled, or he or one above him is suspended.
func working(tx *store.Tx, resellerID string) (reselling.Reseller, error) {
	r, err := store.Resellers.Get(tx, resellerID)
	if err != nil {
		return r, err
	}
	return r, may(r, ResellersIn(tx))
}

// count changes how many servers the reseller of a claim has. The fault is refused when he may have no more.
func count(tx *store.Tx, c fleet.Claim, by int) error {
	r, err := store.Resellers.Get(tx, c.Ref)
	if err != nil {
		return err
	}
	r.Servers += uint64(by)
	if c.Via == fleet.ViaPlan {
		r.Taken += uint64(by)
	}
	if by > 0 && !r.Limits.Of(reselling.Servers).Allows(r.Servers) {
		return fullOf(r, r.Servers-1)
	}
	return store.Resellers.Put(tx, r.ID, r)
}

// fullOf refuses one more server.
func fullOf(r reselling.Reseller, has uint64) error {
	return fault.Refused("reseller %s has %d servers, and may have %s; raise limits.%s of the reseller first", r.Name, has, r.Limits.Of(reselling.Servers), reselling.Servers)
}
