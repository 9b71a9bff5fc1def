package plan

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Names of properties.
const (
	DiskMiB      = reselling.Disk
	TrafficMiB   = reselling.Traffic // a month
	Mailboxes    = reselling.Mailboxes
	MailingLists = reselling.MailingLists
	FTPLogins    = reselling.FTPLogins // beside the account's own
	Subdomains   = reselling.Subdomains
	Databases    = reselling.Databases
	PHP          = "php"
	VirusScan    = "virus_scan"
	IMAP         = "imap"
	Shell        = "shell"
	Overuse      = "overuse"
)

// Shells of an account (rule C16), from the one that allows least to the one that allows most.
const (
	NoShell      = "/bin/false" // no SSH; FTP works
	LimitedShell = "/bin/shell" // SSH with limits on processor time and processes, where the node has it
	Bash         = "/bin/bash"
)

// Shells lists them in that order.
var Shells = []string{NoShell, LimitedShell, Bash}

// Property is one thing that an offer promises.
type Property struct {
	Name    string
	Kind    string
	Unit    string   // of a limit, for a person
	Words   []string // of a choice; of two words of the shell the later one is the larger
	Default Value    // where an offer says nothing; a service plan must name its limits (C5)
	OfNode  bool     // the node has to provide it, and may not be able to (P9)
	Of      string   // "" merges; "plan": an add-on has none of it
	Free    bool     // a plan may let the subscriber change it (P11)
	Means   string   // in words, for a person
}

// Table has all properties, in the order in which they are shown.
var Table = []Property{
	{Name: DiskMiB, Kind: KindLimit, Unit: "MiB", Default: Number(0), OfNode: true, Means: "disk space: home, web, mail and databases together"},
	{Name: TrafficMiB, Kind: KindLimit, Unit: "MiB a month", Default: Number(0), Means: "traffic: web, FTP and mail together"},
	{Name: Mailboxes, Kind: KindLimit, Default: Number(0), OfNode: true, Means: "mailboxes"},
	{Name: MailingLists, Kind: KindLimit, Default: Number(0), OfNode: true, Means: "mailing lists"},
	{Name: FTPLogins, Kind: KindLimit, Default: Number(0), OfNode: true, Means: "further FTP logins"},
	{Name: Subdomains, Kind: KindLimit, Default: Number(0), OfNode: true, Means: "subdomains"},
	{Name: Databases, Kind: KindLimit, Default: Number(0), OfNode: true, Means: "MySQL databases"},
	{Name: PHP, Kind: KindSwitch, Default: Switched(false), OfNode: true, Free: true, Means: "PHP"},
	{Name: VirusScan, Kind: KindSwitch, Default: Switched(false), OfNode: true, Free: true, Means: "mail is scanned for viruses"},
	{Name: IMAP, Kind: KindSwitch, Default: Switched(false), OfNode: true, Free: true, Means: "mail is read by IMAP too, not by POP3 alone"},
	{Name: Shell, Kind: KindChoice, Words: Shells, Default: Chosen(NoShell), OfNode: true, Free: true, Means: "login shell"},
	{Name: Overuse, Kind: KindChoice, Words: Policies, Default: Chosen(Block), OfNode: true, Of: "plan", Means: "what happens at the limit of disk space and traffic"},
}

// Find is the property of a name.
func Find(name string) (Property, bool) {
	i := slices.IndexFunc(Table, func(p Property) bool { return p.Name == name })
	if i < 0 {
		return Property{}, false
	}
	return Table[i], true
}

// Names are those of all properties that fit.
func Names(fit func(Property) bool) (list []string) {
	for _, p := range Table {
		if fit(p) {
			list = append(list, p.Name)
		}
	}
	return list
}

// Limited reports whether a property is a limit.
func Limited(p Property) bool { return p.Kind == KindLimit }

// Within reports whether a is no more than b.
func (p Property) Within(a, b Value) bool {
	switch p.Kind {
	case KindLimit:
		return a.Limit.Within(b.Limit)
	case KindSwitch:
		return !a.On || b.On
	}
	if p.Name == Overuse {
		return !Stops(a.Choice) || Stops(b.Choice)
	}
	return slices.Index(p.Words, a.Choice) <= slices.Index(p.Words, b.Choice)
}

// merge joins two promises (rule P19). It is associative and does not depend on the order.
func (p Property) merge(a, b Value) Value {
	switch {
	case p.Kind == KindLimit && (a.Limit.None || b.Limit.None):
		return Unlimited()
	case p.Kind == KindLimit:
		return Number(a.Limit.Most + b.Limit.Most) // MaxLimit times MaxAddOns is far below 64 bits
	case p.Within(a, b):
		return b
	}
	return a
}

// Check records what is wrong with a value of the property, under field.
func (p Property) Check(c *fault.Check, field string, v Value) {
	switch {
	case v.Kind != p.Kind && p.Kind == KindLimit:
		c.Add(field, "is %.40q; give a whole number, or %q", v, reselling.NoLimit.String())
	case v.Kind != p.Kind && p.Kind == KindSwitch:
		c.Add(field, "is %.40q; give true or false", v)
	case p.Kind == KindChoice && (v.Kind != p.Kind || !slices.Contains(p.Words, v.Choice)):
		c.Add(field, "is %.40q; give one of %s", v, strings.Join(p.Words, ", "))
	case p.Kind == KindLimit && v.Limit.Most > reselling.MaxLimit:
		c.Add(field, "is %d; %d is the most, or say %q", v.Limit.Most, uint64(reselling.MaxLimit), reselling.NoLimit.String())
	}
}
