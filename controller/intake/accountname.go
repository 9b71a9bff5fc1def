package intake

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// loginHolder says which account has a user name.
type loginHolder struct {
	Account string `json:"account"`
}

// logins has the account of each user name of the whole fleet, until nothing of the account is left (rule X15).
var logins = store.NewTable[loginHolder]("logins", "holder of user name")

// freeUser is a user name that no account and no user has.
func freeUser(tx *store.Tx, domain string) (string, error) {
	for _, name := range account.Users(domain, randomEnd) {
		_, held, err := logins.Find(tx, name)
		if err != nil {
			return "", err
		}
		if held {
			continue
		}
		_, taken, err := names.Find(tx, nameKey("users", name))
		if err != nil {
			return "", err
		}
		if !taken {
			return name, nil
		}
	}
	return "", fault.Unavailable("no user name for %s was free at first; try again", domain)
}

func randomEnd() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// checkName records a domain name that somebody has, or that is below one of somebody else (rule X14). more are names that come with it.
func checkName(c *fault.Check, l *lookup, field, domain, self string, of account.Party, more ...string) {
	for _, name := range append([]string{domain}, more...) {
		holder, taken, err := domains.Find(l.tx, name)
		l.keep(err)
		c.Require(!taken || holder.Placement == self, field, "%s belongs to somebody already; a domain name belongs to one account or forward of the whole fleet", name)
	}
	for _, name := range account.Above(domain) {
		holder, taken, err := domains.Find(l.tx, name)
		l.keep(err)
		if !taken {
			continue
		}
		p, known, err := store.Placements.Find(l.tx, holder.Placement)
		l.keep(err)
		if known && !account.Below(account.Party{Reseller: p.Reseller, Customer: p.Customer}, of) {
			c.Add(field, "%s is below %s, which belongs to somebody else", domain, name)
			return
		}
	}
}

// holdName makes a domain name that of a placement; one that it has already stays.
func holdName(tx *store.Tx, name, placement string) error {
	holder, taken, err := domains.Find(tx, name)
	if err != nil || taken && holder.Placement == placement {
		return err
	}
	return domains.Create(tx, name, domainHolder{placement})
}

// freeName lets go of a domain name, if it is that of the placement.
func freeName(tx *store.Tx, name, placement string) error {
	holder, taken, err := domains.Find(tx, name)
	if err != nil || !taken || holder.Placement != placement {
		return err
	}
	return domains.Delete(tx, name)
}

// carriesAccounts refuses a server whose agent carries no accounts.
func carriesAccounts(tx *store.Tx, s *fleet.Server) error {
	p, known, err := store.Provisions.Find(tx, s.ID)
	switch {
	case err != nil:
		return err
	case s.Node == nil:
		return fault.Refused("server %s is no hosting node; see: steelyard server node", s.Name)
	case !known:
		return fault.Refused("the agent of server %s carries no accounts; start it with --hosting", s.Name)
	case !p.Switches["web"]:
		return fault.Refused("server %s cannot carry sites now: %s", s.Name, troubles(&p, "site"))
	}
	return nil
}

// troubles are what a node says of the components of a part that cannot do its work.
func troubles(p *hosting.Provision, part string) string {
	for _, c := range p.Components {
		if c.Part == part && c.Problem != "" {
			return c.Name + ": " + c.Problem
		}
	}
	return "its agent does not say why"
}
