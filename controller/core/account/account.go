package account

import (
	"slices"
	"strings"
	"time"
)

// States of an account.
const (
	Making  = "making"  // its node has not said yet that all of it is there
	There   = "there"   // all of it was there; changes of it are told by its progress
	Leaving = "leaving" // it is being removed
	Stuck   = "stuck"   // something of it could not be removed
	Gone    = "gone"    // nothing of it is left; kept a while to be read
)

// Bounds of an account: of each kind of thing in it, of the members of a list, and of those of all its lists.
const (
	MaxThings  = 2000
	MaxMembers = 500
	MaxAll     = 5000
	// MaxForwards lead to one account.
	MaxForwards = 200
)

// Account is what a customer has on a hosting node.
type Account struct {
	ID           string    `json:"id"` // also that of its placement
	Domain       string    `json:"domain"`
	User         string    `json:"user"`               // of system, FTP, console and databases; never changes
	Reseller     string    `json:"reseller,omitempty"` // path of whose customer has it; "" is the provider
	Customer     string    `json:"customer,omitempty"` // id of the organization that has it, if one was named
	Owner        string    `json:"owner"`              // what the console user's role sees: the customer's reference, or the account's id
	Subscription string    `json:"subscription"`       // what was bought; see package subscription
	Server       string    `json:"server"`             // the node that carries it
	State        string    `json:"state" enum:"making,there,leaving,stuck,gone"`
	Message      string    `json:"message,omitempty"`    // why, for a person
	LeftOvers    []Found   `json:"left_overs,omitempty"` // of one that is stuck (rule C14)
	Subdomains   []string  `json:"subdomains"`
	FTPLogins    []Login   `json:"ftp_logins"`
	Mailboxes    []Mailbox `json:"mailboxes"`
	Lists        []List    `json:"lists"`
	Databases    []string  `json:"databases"`
	Forwards     []Leads   `json:"forwards"`
	Dropped      []string  `json:"dropped,omitempty"` // names that it had: nobody gets them before the node let go of them (X14)
	Removing     Removing  `json:"removing,omitzero"` // what the node shall delete with all that is in it
	CreatedAt    time.Time `json:"created_at"`
	CreatedBy    string    `json:"created_by"`
	ChangedAt    time.Time `json:"changed_at"` // of state
}

// Found is something of an account that could not be removed.
type Found struct {
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
}

// Login is an FTP login beside the user's own.
type Login struct {
	Name string `json:"name"`
	Dir  string `json:"dir"` // below the home; "" all of it
}

// Mailbox is a mailbox; a quota that is nil is none, and 0 is a real zero (X12).
type Mailbox struct {
	Address  string  `json:"address"`
	QuotaMiB *uint64 `json:"quota_mib,omitempty"`
}

// List is a mailing list.
type List struct {
	Address string   `json:"address"`
	Members []string `json:"members"`
	Owner   string   `json:"owner,omitempty"` // is told what could not be delivered to a member; "" nobody
}

// Removing is what was in an account and is to be deleted; nothing is deleted because it is not named any more.
type Removing struct {
	Databases []string `json:"databases,omitempty"`
	Mailboxes []string `json:"mailboxes,omitempty"`
}

// Live reports whether the account is there or shall be: it can be changed.
func (a *Account) Live() bool { return a.State == Making || a.State == There }

// Leads is what the account says of a forward, so that each commit that tells the node something reads all of them.
type Leads struct {
	Forward  string `json:"forward"` // id
	Domain   string `json:"domain"`
	Redirect bool   `json:"redirect"`
	Leaving  bool   `json:"leaving,omitempty"` // the node shall not have it any more
}

// Forward is a domain that leads to an account's site (rule C18).
type Forward struct {
	ID        string    `json:"id"` // also that of its placement
	Domain    string    `json:"domain"`
	Account   string    `json:"account"`
	Server    string    `json:"server"`
	Redirect  bool      `json:"redirect"` // 301 to the account's domain; otherwise an alias, under which the site is shown and mail is taken
	Reseller  string    `json:"reseller,omitempty"`
	Owner     string    `json:"owner"`
	State     string    `json:"state" enum:"making,there,leaving"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	ChangedAt time.Time `json:"changed_at"`
}

// mailDomains are those that addresses of the account may end with: its own, its subdomains, and its aliases.
func (a *Account) mailDomains() []string {
	list := append([]string{a.Domain}, a.Subdomains...)
	for _, f := range a.Forwards {
		if !f.Redirect && !f.Leaving {
			list = append(list, f.Domain)
		}
	}
	return list
}

// HasMailbox reports whether it has a mailbox.
func (a *Account) HasMailbox(address string) bool { return a.mailbox(address) >= 0 }

// HasLogin reports whether it has an FTP login.
func (a *Account) HasLogin(name string) bool { return a.login(name) >= 0 }

// Full is an address with the account's own domain where none is given.
func (a *Account) Full(address string) string {
	address = strings.ToLower(strings.TrimSpace(address))
	if !strings.Contains(address, "@") {
		address += "@" + a.Domain
	}
	return address
}

func (a *Account) mailbox(address string) int {
	return slices.IndexFunc(a.Mailboxes, func(m Mailbox) bool { return m.Address == address })
}

func (a *Account) list(address string) int {
	return slices.IndexFunc(a.Lists, func(l List) bool { return l.Address == address })
}

func (a *Account) login(name string) int {
	return slices.IndexFunc(a.FTPLogins, func(l Login) bool { return l.Name == name })
}
