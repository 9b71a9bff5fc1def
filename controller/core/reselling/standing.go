package reselling

// given is what counts against a limit of r: what he promised to his customers, whose number counts too, and to resellers below him. Who oversells may
// promise anything.
func (r *Reseller) given(resource string) Promise {
	if r.Oversell {
		return Promise{}
	}
	p := r.Below[resource].plus(r.Retail.Promised[resource])
	if resource == Customers {
		p.Total += r.Customers
	}
	return p
}

// Has is how much of a resource counts against his limit: what is promised; of who oversells what there is, as far as it is counted.
func (r *Reseller) Has(resource string) Promise {
	p := r.given(resource)
	switch {
	case resource == Servers: // those that he promised on are among his
		p.Total = max(p.Total, r.Servers)
	case r.Oversell && resource == Customers:
		p.Total = r.Customers
	case r.Oversell:
		p.Total = r.Retail.Used[resource]
	}
	return p
}

// OverLimit is a limit of which there is more: strictly (rule C23).
type OverLimit struct {
	Resource string `json:"resource"`
	Limit    Limit  `json:"limit"`
	Has      Limit  `json:"has"` // "no limit" where something without a limit was promised
}

// OverLimits are the limits that are exceeded, in the order of [Resources]. What is there stays; nothing more is made.
func (r *Reseller) OverLimits() (list []OverLimit) {
	for _, name := range Resources {
		if has, limit := r.Has(name), r.Limits.Of(name); !has.Within(limit) {
			list = append(list, OverLimit{name, limit, has.limit()})
		}
	}
	return list
}

func (p Promise) limit() Limit {
	if p.Open > 0 {
		return NoLimit
	}
	return AtMost(p.Total)
}

// Room is the largest limit of a resource that r can give to child, one directly below him; child's present one is not counted.
func (r *Reseller) Room(child *Reseller, resource string) Limit {
	limit := r.Limits.Of(resource)
	if limit.None || r.Oversell {
		return NoLimit
	}
	others := Sum{resource: r.given(resource)}.Minus(Sum{}.Change(nil, child.Limits))[resource]
	switch {
	case others.Open > 0 || others.Total >= limit.Most:
		return AtMost(0)
	}
	return AtMost(limit.Most - others.Total)
}

// Origins of a limit.
const (
	OfPlan   = "plan"
	OfHand   = "own"  // set by hand
	OfNobody = "none" // nothing is said of it
)

// LimitStanding is one limit from all sides.
type LimitStanding struct {
	Resource string `json:"resource"`
	Limit    Limit  `json:"limit"`
	Origin   string `json:"origin" enum:"plan,own,none"`
	Has      Limit  `json:"has"`      // what counts against it; "no limit" where something without a limit was promised
	Promised Limit  `json:"promised"` // to his customers and to those below him; "no limit" where something without a limit was
	Below    Limit  `json:"below"`    // how much of that to those below him
	Used     uint64 `json:"used"`     // how much there is, with what those below him have; of disk space and traffic as it was counted last
	Over     bool   `json:"over"`
}

// Standing is each limit of r.
func (r *Reseller) Standing() (list []LimitStanding) {
	promising := *r
	promising.Oversell = false
	for _, name := range Resources {
		has, limit := r.Has(name), r.Limits.Of(name)
		origin := OfNobody
		switch _, named := r.Limits[name]; {
		case named && r.Follows(name):
			origin = OfPlan
		case named:
			origin = OfHand
		}
		list = append(list, LimitStanding{name, limit, origin, has.limit(), promising.given(name).limit(), r.Below[name].limit(), r.used(name), !has.Within(limit)})
	}
	return list
}

// used is how much there is of a resource.
func (r *Reseller) used(resource string) uint64 {
	switch resource {
	case Servers:
		return r.Servers
	case Customers:
		return r.Customers
	}
	return r.Retail.Used[resource]
}
