package account

import (
	"regexp"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/pkg/fault"
)

// What a node takes: see the checks of agent/hosting/file, which are as narrow.
var (
	word   = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,31}$`)
	local  = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*$`) // without "+": mail servers take what follows it for a detail of the mailbox before it
	member = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._+=-]*[A-Za-z0-9_+=-])?$`)
	step   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
)

// room refuses one more of what is limited when there are have of them (rules C5, P18).
func (a *Account) room(s *subscription.Subscription, property, noun string, have int) error {
	if !a.Live() {
		return fault.Refused("account %s is %s; nothing is added to it", a.Domain, a.State)
	}
	limit := s.Values.Of(property).Limit
	switch {
	case !limit.Allows(uint64(have) + 1):
		return fault.Refused("account %s has %d %s, and %s gives %s; remove one, or change the offer", a.Domain, have, noun, s.PlanName(), limit)
	case have >= MaxThings:
		return fault.Refused("account %s has %d %s; no account may have more", a.Domain, have, noun)
	}
	return nil
}

// alive refuses a change of an account that is being removed.
func (a *Account) alive() error {
	if !a.Live() {
		return fault.Refused("account %s is %s; it cannot be changed", a.Domain, a.State)
	}
	return nil
}

// invalid is the fault of one field.
func invalid(field, format string, args ...any) error {
	var c fault.Check
	c.Add(field, format, args...)
	return c.Err("the account stays as it is")
}

// Subdomain is the full name that a person means: one label, or a name below the account's domain (rule X14). The fault is invalid.
func (a *Account) Subdomain(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(strings.TrimSuffix(text, "."), ".") {
		text = strings.TrimSuffix(text, ".") + "." + a.Domain
	}
	name, err := hosting.Domain(hostOf(text))
	switch {
	case err != nil:
		return "", invalid("name", "%s", fault.From(err).Message)
	case !strings.HasSuffix(name, "."+a.Domain):
		return "", invalid("name", "%s is not below %s; another domain is an account or a forward of its own", name, a.Domain)
	case name == WWW(a.Domain):
		return "", invalid("name", "%s belongs to the account's own site", name)
	case len(name) > MaxDomain:
		return "", invalid("name", "is longer than %d characters", MaxDomain)
	}
	return name, nil
}

// AddSubdomain adds a subdomain, whose name was made by [Account.Subdomain]; one that is there stays.
func (a Account) AddSubdomain(s *subscription.Subscription, name string) (Account, error) {
	if slices.Contains(a.Subdomains, name) {
		return a, a.alive()
	}
	if err := a.room(s, plan.Subdomains, "subdomains", len(a.Subdomains)); err != nil {
		return a, err
	}
	a.Subdomains = append(slices.Clone(a.Subdomains), name)
	a.Dropped = without(a.Dropped, name)
	return a, nil
}

// DropSubdomain takes a subdomain away. What its site shows stays in the account's files; its name is held until the node has let go of it. Mailboxes and
// lists of the subdomain have to go before.
func (a Account) DropSubdomain(name string) (Account, error) {
	if err := a.alive(); err != nil {
		return a, err
	}
	if !slices.Contains(a.Subdomains, name) {
		return a, fault.NotFound("account %s has no subdomain %.80q", a.Domain, name)
	}
	if used := a.addressesOf(name); len(used) > 0 {
		return a, fault.Refused("mail of %s is taken for %s; remove that first", name, few(used))
	}
	a.Subdomains, a.Dropped = without(a.Subdomains, name), append(slices.Clone(a.Dropped), name)
	return a, nil
}

// addressesOf are the addresses of the account in a domain.
func (a *Account) addressesOf(domain string) (list []string) {
	for _, m := range a.Mailboxes {
		if strings.HasSuffix(m.Address, "@"+domain) {
			list = append(list, m.Address)
		}
	}
	for _, l := range a.Lists {
		if strings.HasSuffix(l.Address, "@"+domain) {
			list = append(list, l.Address)
		}
	}
	return list
}

// Lead adds a forward, or changes one that is there.
func (a Account) Lead(l Leads) (Account, error) {
	if err := a.alive(); err != nil {
		return a, err
	}
	a.Forwards = slices.Clone(a.Forwards)
	at := slices.IndexFunc(a.Forwards, func(o Leads) bool { return o.Forward == l.Forward })
	switch {
	case at < 0 && len(a.Forwards) >= MaxForwards:
		return a, fault.Refused("%d forwards lead to account %s; no more are possible", len(a.Forwards), a.Domain)
	case at < 0:
		a.Forwards = append(a.Forwards, l)
		return a, nil
	case (l.Redirect || l.Leaving) && len(a.addressesOf(l.Domain)) > 0:
		return a, fault.Refused("mail of %s is taken for %s in account %s; remove that first", l.Domain, few(a.addressesOf(l.Domain)), a.Domain)
	}
	a.Forwards[at] = l
	return a, nil
}

// few names some of a list, as many as a sentence takes.
func few(list []string) string {
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + " and more"
	}
	return strings.Join(list, ", ")
}

// Owned is the full name of an FTP login or a database: the user's name, "_" and the word that a person gave, with or without that in front. The fault is invalid.
func (a *Account) Owned(text string) (string, error) {
	rest := strings.TrimPrefix(text, a.User+"_")
	if !word.MatchString(rest) {
		return "", invalid("name", "is %.60q; give 1 to 32 small letters, digits or _; %s_ is put in front", text, a.User)
	}
	return a.User + "_" + rest, nil
}

// PutLogin adds an FTP login, or changes the directory of one that is there.
func (a Account) PutLogin(s *subscription.Subscription, l Login) (Account, error) {
	var c fault.Check
	for name := range strings.SplitSeq(l.Dir, "/") {
		c.Require(l.Dir == "" || len(l.Dir) <= 200 && step.MatchString(name), "dir", "is %.80q; give a directory below the home, such as htdocs/shop: letters, digits and . _ -, and no name begins with a dot", l.Dir)
	}
	if err := c.Err("the account stays as it is"); err != nil {
		return a, err
	}
	if at := a.login(l.Name); at >= 0 {
		a.FTPLogins = slices.Clone(a.FTPLogins)
		a.FTPLogins[at] = l
		return a, a.alive()
	}
	if err := a.room(s, plan.FTPLogins, "further FTP logins", len(a.FTPLogins)); err != nil {
		return a, err
	}
	a.FTPLogins = append(slices.Clone(a.FTPLogins), l)
	return a, nil
}

// DropLogin takes an FTP login away. The files stay.
func (a Account) DropLogin(name string) (Account, error) {
	at := a.login(name)
	if err := a.alive(); err != nil {
		return a, err
	}
	if at < 0 {
		return a, fault.NotFound("account %s has no FTP login %.80q", a.Domain, name)
	}
	a.FTPLogins = slices.Delete(slices.Clone(a.FTPLogins), at, at+1)
	return a, nil
}

// Address is one that the account may have: a local part alone is one of its own domain. The fault is invalid.
func (a *Account) Address(text string) (string, error) {
	text = a.Full(text)
	name, domain, _ := strings.Cut(text, "@")
	domain, err := hosting.Domain(domain)
	switch {
	case err != nil:
		return "", invalid("address", "%s", fault.From(err).Message)
	case len(name) > 64 || !local.MatchString(name) || strings.Contains(name, ".."):
		return "", invalid("address", "is %.80q; in front of the @ there may be small letters, digits and . _ - between them", text)
	case !slices.Contains(a.mailDomains(), domain):
		return "", invalid("address", "%s is not a domain of the account; use one of %s", domain, few(a.mailDomains()))
	}
	return name + "@" + domain, nil
}

// PutMailbox adds a mailbox, or changes the quota of one that is there.
func (a Account) PutMailbox(s *subscription.Subscription, m Mailbox) (Account, error) {
	if a.list(m.Address) >= 0 {
		return a, fault.Refused("%s is a mailing list", m.Address)
	}
	if m.QuotaMiB != nil && *m.QuotaMiB > hosting.MaxDisk {
		return a, invalid("quota_mib", "is %d; %d are the most", *m.QuotaMiB, uint64(hosting.MaxDisk))
	}
	if at := a.mailbox(m.Address); at >= 0 {
		a.Mailboxes = slices.Clone(a.Mailboxes)
		a.Mailboxes[at] = m
		return a, a.alive()
	}
	if err := a.room(s, plan.Mailboxes, "mailboxes", len(a.Mailboxes)); err != nil {
		return a, err
	}
	if slices.Contains(a.Removing.Mailboxes, m.Address) {
		return a, fault.Refused("the mail of %s is being deleted; wait until the node has done that", m.Address)
	}
	a.Mailboxes = append(slices.Clone(a.Mailboxes), m)
	return a, nil
}

// DropMailbox deletes a mailbox with its mail.
func (a Account) DropMailbox(address string) (Account, error) {
	at := a.mailbox(address)
	if err := a.alive(); err != nil {
		return a, err
	}
	if at < 0 {
		return a, fault.NotFound("account %s has no mailbox %.80q", a.Domain, address)
	}
	a.Mailboxes = slices.Delete(slices.Clone(a.Mailboxes), at, at+1)
	a.Removing.Mailboxes = append(slices.Clone(a.Removing.Mailboxes), address)
	return a, nil
}

// PutList adds a mailing list, or gives one that is there other members.
func (a Account) PutList(s *subscription.Subscription, l List) (Account, error) {
	if a.mailbox(l.Address) >= 0 {
		return a, fault.Refused("%s is a mailbox", l.Address)
	}
	l, err := a.members(l)
	if err != nil {
		return a, err
	}
	if at := a.list(l.Address); at >= 0 {
		a.Lists = slices.Clone(a.Lists)
		a.Lists[at] = l
		return a, a.alive()
	}
	if err := a.room(s, plan.MailingLists, "mailing lists", len(a.Lists)); err != nil {
		return a, err
	}
	a.Lists = append(slices.Clone(a.Lists), l)
	return a, nil
}

// members checks those of a list, and drops the second of two that are the same.
func (a *Account) members(l List) (List, error) {
	var c fault.Check
	var list []string
	for i, text := range l.Members[:min(len(l.Members), MaxMembers)] {
		name, domain, ok := strings.Cut(strings.TrimSpace(text), "@")
		domain, err := hosting.Domain(domain)
		full := name + "@" + domain
		c.Require(ok && err == nil && len(name) <= 64 && member.MatchString(name) && !strings.Contains(name, "..") && full != l.Address, "members",
			"entry %d, %.80q, is no address that mail can be passed on to", i+1, text)
		if !slices.Contains(list, full) {
			list = append(list, full)
		}
	}
	c.Require(len(l.Members) > 0, "members", "is empty; say who gets the mail")
	c.Require(len(l.Members) <= MaxMembers, "members", "has %d entries; %d are the most", len(l.Members), MaxMembers)
	all := len(list)
	for _, other := range a.Lists {
		if other.Address != l.Address {
			all += len(other.Members)
		}
	}
	c.Require(all <= MaxAll, "members", "makes %d members of all lists of the account; %d are the most", all, MaxAll)
	if l.Owner != "" {
		l.Owner = strings.TrimSpace(l.Owner)
		name, domain, _ := strings.Cut(l.Owner, "@")
		_, err := hosting.Domain(domain)
		c.Require(err == nil && len(name) <= 64 && member.MatchString(name) && !strings.Contains(name, "..") && l.Owner != l.Address, "owner", "%.80q is no address of somebody else than the list", l.Owner)
	}
	l.Members = list
	return l, c.Err("the account stays as it is")
}

// DropList takes a mailing list away.
func (a Account) DropList(address string) (Account, error) {
	at := a.list(address)
	if err := a.alive(); err != nil {
		return a, err
	}
	if at < 0 {
		return a, fault.NotFound("account %s has no mailing list %.80q", a.Domain, address)
	}
	a.Lists = slices.Delete(slices.Clone(a.Lists), at, at+1)
	return a, nil
}

// AddDatabase adds a database whose name was made by [Account.Owned]; one that is there stays.
func (a Account) AddDatabase(s *subscription.Subscription, name string) (Account, error) {
	if slices.Contains(a.Databases, name) {
		return a, a.alive()
	}
	if err := a.room(s, plan.Databases, "databases", len(a.Databases)); err != nil {
		return a, err
	}
	if slices.Contains(a.Removing.Databases, name) {
		return a, fault.Refused("database %s is being deleted; wait until the node has done that, or take another name", name)
	}
	a.Databases = append(slices.Clone(a.Databases), name)
	return a, nil
}

// DropDatabase deletes a database with all that is in it.
func (a Account) DropDatabase(name string) (Account, error) {
	if err := a.alive(); err != nil {
		return a, err
	}
	if !slices.Contains(a.Databases, name) {
		return a, fault.NotFound("account %s has no database %.80q", a.Domain, name)
	}
	a.Databases = without(a.Databases, name)
	a.Removing.Databases = append(slices.Clone(a.Removing.Databases), name)
	return a, nil
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}
