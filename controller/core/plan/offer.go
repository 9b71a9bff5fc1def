package plan

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Kinds of offer.
const (
	Service = "service" // a service plan (rule P1)
	AddOn   = "addon"   // comes on top of one (rule P2)
)

// Kinds lists them.
var Kinds = []string{Service, AddOn}

// MaxAddOns is how many add-ons a subscription may have.
const MaxAddOns = 32

// Offer is what a reseller sells (rule C1).
type Offer struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind" enum:"service,addon"`
	Name       string    `json:"name"`                // C2; unique among the offers of one reseller, without regard to case
	Reseller   string    `json:"reseller,omitempty"`  // path of whose it is; "" is the provider's own; fixed for ever
	Values     Values    `json:"values"`              // of a service plan all properties; of an add-on those that it adds to
	Changeable []string  `json:"changeable"`          // properties that the subscriber may change; sync leaves them as they are (P11)
	Version    uint64    `json:"version"`             // grows with each edit that changes what is promised
	Retired    bool      `json:"retired"`             // nobody new gets it; who has it keeps it (C8)
	Successor  string    `json:"successor,omitempty"` // id of the offer that everybody who has this one gets; then this one is deleted (C8)
	CreatedAt  time.Time `json:"created_at"`
	ChangedAt  time.Time `json:"changed_at"`
}

// Edition is what a subscription holds of an offer: a copy of one version.
type Edition struct {
	Offer      string   `json:"offer"` // id
	Name       string   `json:"name"`
	Version    uint64   `json:"version"`
	Values     Values   `json:"values"`
	Changeable []string `json:"changeable,omitempty"`
}

// Edition is what a subscription that is synced now holds. It equals the one that was stored and read again, so a deed that changes nothing is seen as such.
func (o *Offer) Edition() Edition {
	e := Edition{Offer: o.ID, Name: o.Name, Version: o.Version, Values: o.Values}
	if len(o.Changeable) > 0 {
		e.Changeable = o.Changeable
	}
	return e
}

// name of an offer: that of the system whose offers are taken over (rule C2).
var name = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// CheckName records what is wrong with the name of an offer (rule C2).
func CheckName(c *fault.Check, field, text string) {
	c.Require(name.MatchString(text), field, "is no name of an offer; give 1 to 64 letters A to Z and digits, nothing else")
}

// Check records what is wrong with what a person says of an offer. Limits of a service plan are mandatory, and 0 is one (rules C3 to C5).
func (o *Offer) Check(c *fault.Check) {
	CheckName(c, "name", o.Name)
	c.Require(slices.Contains(Kinds, o.Kind), "kind", "is %.40q; use %s", o.Kind, strings.Join(Kinds, ", "))
	o.Values.Check(c, "values")
	for _, p := range Table {
		_, given := o.Values[p.Name]
		c.Require(given || o.Kind != Service || p.Kind != KindLimit, "values."+p.Name, "is missing; give a whole number, which may be 0, or \"no limit\"")
		c.Require(!given || o.Kind != AddOn || p.Of == "", "values."+p.Name, "is of the service plan alone; an add-on has none")
	}
	c.Require(o.Kind != AddOn || len(o.Values) > 0, "values", "is empty; say what the add-on adds")
	o.checkChangeable(c)
}

func (o *Offer) checkChangeable(c *fault.Check) {
	free := Names(func(p Property) bool { return p.Free })
	for i, name := range o.Changeable {
		c.Require(slices.Contains(free, name), "changeable", "has %.40q; a subscriber may change %s", name, strings.Join(free, ", "))
		c.Require(!slices.Contains(o.Changeable[:i], name), "changeable", "names %.40q twice", name)
	}
}

// Promises reports whether two offers promise the same: an edit from one to the other reaches nobody.
func (o *Offer) Promises(other *Offer) bool {
	return o.Name == other.Name && sameValues(o.Values, other.Values) && sameWords(o.Changeable, other.Changeable)
}

func sameValues(a, b Values) bool {
	if len(a) != len(b) {
		return false
	}
	for name, v := range a {
		if w, ok := b[name]; !ok || v != w {
			return false
		}
	}
	return true
}

func sameWords(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
