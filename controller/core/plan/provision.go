package plan

import (
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// Provision is what a node can provide, as its agent reports it. A nil *Provision is a node of which that is not known, or no node at all:
// nothing is held against a promise then.
type Provision struct {
	// Most is the most that can be provided, by property; one that is missing cannot be provided at all: 0, off, /bin/false. Of overuse it is
	// a policy that stops growth where the node can keep quotas, and one that does not where it cannot.
	Most Values `json:"most"`
	// Components are the programs that the node has, with their versions: "nginx": "1.22.1".
	Components map[string]string `json:"components,omitempty"`
}

// carriers are the switches of protocol.Provided that say whether a node has a limit's things at all.
var carriers = map[string]string{
	DiskMiB: "web", Mailboxes: "mail", MailingLists: "mailing_lists", FTPLogins: "ftp", Subdomains: "web", Databases: "databases",
	PHP: "php", VirusScan: "virus_scan", IMAP: "imap",
}

// ProvisionOf is what a node provides, from what its agent reports.
func ProvisionOf(said *protocol.Provided) *Provision {
	p := &Provision{Most: Values{}, Components: map[string]string{}}
	for name, carrier := range carriers {
		prop, _ := Find(name)
		switch {
		case !said.Switches[carrier]:
		case prop.Kind == KindLimit:
			p.Most[name] = Unlimited()
		default:
			p.Most[name] = Switched(true)
		}
	}
	for _, shell := range Shells {
		if slices.Contains(said.Shells, shell) {
			p.Most[Shell] = Chosen(shell)
		}
	}
	if said.Switches["disk_quota"] {
		p.Most[Overuse] = Chosen(Block)
	}
	for _, c := range said.Components {
		p.Components[c.Name] = c.Version
	}
	return p
}

// Deviation is a promise that cannot be kept (rule P9), and what is available instead (P14).
type Deviation struct {
	Property  string `json:"property"`
	Promised  Value  `json:"promised"`
	Available Value  `json:"available"`
}

// Available is the part of a wanted value that can be provided.
func (p *Provision) Available(property string, wanted Value) Value {
	prop, known := Find(property)
	if p == nil || !known || !prop.OfNode {
		return wanted
	}
	most, provided := p.Most[property]
	switch {
	case !provided && property == Overuse:
		most = Chosen(NotSuspend)
	case !provided:
		most = prop.Default
	}
	switch {
	case prop.Within(wanted, most):
		return wanted
	case property == Overuse:
		return Chosen(unstopped(wanted.Choice))
	}
	return most
}

// Deviations are the promises among values that cannot be kept, in the order of [Table].
func (p *Provision) Deviations(promised Values) (list []Deviation) {
	for _, prop := range Table {
		wanted := promised.Of(prop.Name)
		if got := p.Available(prop.Name, wanted); got != wanted {
			list = append(list, Deviation{Property: prop.Name, Promised: wanted, Available: got})
		}
	}
	return list
}
