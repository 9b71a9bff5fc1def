package site

import (
	"slices"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// most of each list of one account. A node serves many accounts with one table of names.
const most = 500

// own is what no customer's name may end in: the names under which nginx is asked for itself (RFC 6761: nobody has them).
const own = ".invalid"

// minUID is below all customers; root's and the daemons' files are served for nobody.
const minUID = 1000

// names are all names of an account's document, by what is served under them.
type names struct {
	main      []string   // the site
	redirects []string   // answered with 301 to it
	subs      [][]string // further sites, of one name each
}

// check reads the names of a document; the fault names the fields that are wrong.
func check(a *part.Account) (names, error) {
	var c fault.Check
	c.Require(protocol.UserName(a.User), "user", "is %.40q, which is no name of a hosted user", a.User)
	c.Require(a.UID >= minUID && a.GID >= minUID, "uid", "is %d (group %d); a customer's is %d at least", a.UID, a.GID, minUID)
	c.Require(a.State == protocol.HostedPresent || a.State == protocol.HostedSuspended, "state", "is %.20q", a.State)
	c.Require(len(a.Subdomains) <= most, "subdomains", "are %d; %d are the most", len(a.Subdomains), most)
	c.Require(len(a.Forwards) <= most, "forwards", "are %d; %d are the most", len(a.Forwards), most)
	if err := c.Err("the site of the account cannot be made"); err != nil {
		return names{}, err
	}
	n := read(&c, a)
	return n, c.Err("the site of %s cannot be made", a.User)
}

func read(c *fault.Check, a *part.Account) names {
	var n names
	seen := map[string]bool{}
	take := func(field string, list ...string) []string {
		file.CheckDomain(c, field, list[0])
		for _, name := range list {
			c.Require(!seen[name], field, "%.60q is named twice", name)
			c.Require(!nobodys(name), field, "is %.60q, which nobody can have", name)
			seen[name] = true
		}
		return list
	}
	if a.Domain == "" {
		c.Require(len(a.Subdomains)+len(a.Forwards) == 0, "domain", "is missing")
		return n
	}
	n.main = take("domain", withWWW(a.Domain)...)
	for i, name := range a.Subdomains {
		n.subs = append(n.subs, take(file.Nth("subdomains", i, ""), name))
	}
	for i, f := range a.Forwards {
		list := take(file.Nth("forwards", i, "domain"), withWWW(f.Domain)...)
		if f.Redirect {
			n.redirects = append(n.redirects, list...)
		} else {
			n.main = append(n.main, list...)
		}
	}
	return n
}

func withWWW(domain string) []string { return []string{domain, "www." + domain} }

func nobodys(name string) bool {
	return len(name) >= len(own) && name[len(name)-len(own):] == own
}

// all names, sorted.
func (n names) all() []string {
	list := slices.Concat(n.main, n.redirects)
	for _, sub := range n.subs {
		list = append(list, sub...)
	}
	slices.Sort(list)
	return list
}
