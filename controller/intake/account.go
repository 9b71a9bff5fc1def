package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// AccountDraft is what a person says of a new account.
type AccountDraft struct {
	Domain    string   `json:"domain" doc:"As it is, or pasted from a browser: http://www.Example.de/ is example.de (C9). www. in front of it belongs to the account too."`
	Offer     string   `json:"offer" doc:"Id of the offer, a service plan, that it is sold by."`
	AddOns    []string `json:"add_ons,omitempty" maxItems:"32" doc:"Ids of add-ons to it."`
	Customer  string   `json:"customer,omitempty" doc:"Id of the customer; none: the account has its own console user and nothing else of its kind."`
	Reseller  string   `json:"reseller,omitempty" doc:"Id of the reseller whose it is; none is the provider, or the reseller who asks."`
	Server    string   `json:"server,omitempty" doc:"Id of the hosting node; none: one that the reseller has by plan (H18), or one of a pool that chooses by itself."`
	IMAP      string   `json:"imap,omitempty" enum:"default,on,off" doc:"default, or nothing: as the reseller's basic settings and the offer say (C10)."`
	VirusScan string   `json:"virus_scan,omitempty" enum:"default,on,off" doc:"The same for mail."`
	Shell     string   `json:"shell,omitempty" enum:"/bin/false,/bin/shell,/bin/bash" doc:"As the offer says unless given (C16)."`
}

// MadeAccount is a new account with what is said once.
type MadeAccount struct {
	account.Account
	Notice   string         `json:"notice,omitempty"` // what could not be done beside it (rule C22)
	Password logging.Secret `json:"-"`
}

// Check records what is wrong with a draft by itself.
func (d AccountDraft) Check(c *fault.Check) {
	if _, err := account.Pasted(d.Domain); err != nil {
		c.Add("domain", "%s", fault.From(err).Message)
	}
	c.Require(d.Offer != "", "offer", "is empty; name the offer: steelyard offer list")
	words := []string{"", plan.On, plan.Off, plan.AsOffered}
	c.Require(slices.Contains(words, d.IMAP), "imap", "is %.40q; use default, on or off", d.IMAP)
	c.Require(slices.Contains(words, d.VirusScan), "virus_scan", "is %.40q; use default, on or off", d.VirusScan)
	c.Require(d.Shell == "" || slices.Contains(plan.Shells, d.Shell), "shell", "is %.40q; use /bin/false, /bin/shell or /bin/bash", d.Shell)
	c.Require(len(d.AddOns) <= plan.MaxAddOns, "add_ons", "has %d entries; %d are the most", len(d.AddOns), plan.MaxAddOns)
}

// making is an account on its way into a commit.
type making struct {
	d         AccountDraft
	actor     access.Actor
	a         account.Account
	sub       subscription.Subscription
	placement hosting.Placement
	user      access.User
	notice    string
	digests   map[string]string
}

// CreateAccount makes an account: the record, its subscription, its console user, its names, its place on a node and what that is told, in one commit. The
// node makes it then (rule C12). The password is shown once, and kept as digests only (C11, X9). Faults: invalid with all fields; refused when no node
// may take it, or the offer is none for it.
func (in *Intake) CreateAccount(ctx context.Context, actor access.Actor, d AccountDraft) (made MadeAccount, rev int64, err error) {
	now := in.now()
	password := account.NewPassword()
	digests, err := newDigests(password)
	if err != nil {
		return made, 0, err
	}
	ids := [2]string{id.New("acc"), id.New("usr")}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		m := &making{d: d, actor: actor}
		m.a = account.Account{
			ID: ids[0], State: account.Making, CreatedAt: now, CreatedBy: actor.Name, ChangedAt: now,
			Subdomains: []string{}, FTPLogins: []account.Login{}, Mailboxes: []account.Mailbox{}, Lists: []account.List{}, Databases: []string{}, Forwards: []account.Leads{},
		}
		m.user = access.User{ID: ids[1], Role: access.RoleCustomer, Account: ids[0], PasswordHash: digests.console, CreatedAt: now}
		m.digests = map[string]string{hosting.SecretPassword: digests.system}
		if err := firstly(func() error { return m.check(tx) }, func() error { return m.place(tx, now) }, func() error { return m.subscribe(tx, now) }); err != nil {
			return err
		}
		made = MadeAccount{m.a, m.notice, logging.Secret(password)}
		return cmp.Or(in.keepAccount(tx, m, now), audit(tx, actor, "account.create", "accounts/"+m.a.ID, nil, m.a, "", now),
			rememberSecret(tx, "accounts", m.a.ID, made, password, now))
	})
	return made, rev, err
}

// keepAccount writes all records of a new account.
func (in *Intake) keepAccount(tx *store.Tx, m *making, now time.Time) error {
	return cmp.Or(
		store.Accounts.Create(tx, m.a.ID, m.a),
		store.Placements.Create(tx, m.placement.ID, m.placement), carry(tx, &m.placement, 1), hold(tx, &m.placement),
		logins.Create(tx, m.a.User, loginHolder{m.a.ID}),
		store.Users.Create(tx, m.user.ID, m.user), rename(tx, "users", "", m.user.Name, m.user.ID),
		PutUse(tx, &m.sub, m.a.Use()), mayUse(tx, m.actor, m.a.Reseller, grown(nil, &m.a)),
		putDocument(in, tx, m.a.Server, account.Document(&m.a, &m.sub), m.digests, now),
	)
}

// check fills in what the draft names, and refuses what is wrong with it, all at once.
func (m *making) check(tx *store.Tx) error {
	err := checked(tx, "the account cannot be made", func(c *fault.Check, look Lookup) {
		m.d.Check(c)
		l := look.(*lookup)
		m.checkParty(c, look)
		m.checkOffers(c, look)
		if m.d.Server != "" {
			s, known := look.Server(m.d.Server)
			known = known && access.ScopeOf(m.actor, "servers").Sees(s.Claim.Owner) // what he does not see does not exist
			c.Require(known, "server", "%.80q does not exist; see: steelyard server list", m.d.Server)
		}
		if domain, err := account.Pasted(m.d.Domain); err == nil {
			m.a.Domain = domain
			checkName(c, l, "domain", domain, m.a.ID, m.party(), account.WWW(domain))
		}
	})
	if err != nil || m.a.Reseller == "" {
		return err
	}
	_, err = working(tx, reselling.Own(m.a.Reseller))
	return err
}

func (m *making) party() account.Party {
	return account.Party{Reseller: m.a.Reseller, Customer: m.a.Customer}
}

// checkParty finds whose the account is. What the actor does not see does not exist.
func (m *making) checkParty(c *fault.Check, look Lookup) {
	if own := ownReseller(m.actor, m.d.Reseller); own != "" {
		r, known := seenReseller(look, m.actor, own)
		c.Require(known, "reseller", "%.80q does not exist; see: steelyard reseller list", m.d.Reseller)
		m.a.Reseller = r.Path
	}
	m.a.Owner = m.a.ID
	if m.d.Customer != "" {
		customer, known := seenCustomer(look, m.actor, m.d.Customer)
		c.Require(known && customer.Reseller == m.a.Reseller, "customer", "%.80q is no customer of the reseller whose account it is, or of the provider where none is named", m.d.Customer)
		m.a.Customer, m.a.Owner = customer.ID, customer.Reference
		m.user.Email = customer.Email
	}
	m.user.Customer, m.user.Reseller = m.a.Owner, m.a.Reseller
}

// checkOffers finds what is sold: offers of the same reseller.
func (m *making) checkOffers(c *fault.Check, look Lookup) {
	if m.d.Offer != "" {
		checkSold(c, look, "offer", m.d.Offer, m.a.Reseller)
	}
	for _, addOn := range m.d.AddOns[:min(len(m.d.AddOns), plan.MaxAddOns)] {
		checkSold(c, look, "add_ons", addOn, m.a.Reseller)
	}
}

// place gives the account its user name and its node.
func (m *making) place(tx *store.Tx, now time.Time) error {
	name, err := freeUser(tx, m.a.Domain)
	if err != nil {
		return err
	}
	m.a.User, m.user.Name = name, name
	m.placement = hosting.Placement{
		ID: m.a.ID, Kind: hosting.Account, Name: m.a.Domain, Domains: []string{account.WWW(m.a.Domain)}, Server: m.d.Server, Managed: true,
		Reseller: m.a.Reseller, Customer: m.a.Customer, State: hosting.Making, CreatedAt: now, ChangedAt: now,
	}
	if m.placement.DiskMiB, err = m.promised(tx); err != nil {
		return err
	}
	m.a.Server, err = chooseServer(tx, &m.placement)
	m.placement.Server = m.a.Server
	if fault.Is(err, fault.KindRefused) && narrowed(m.actor) && m.d.Server == "" { // why, and of which, is the provider's business
		err = fault.Refused("no server that you may use takes another account now; ask the provider")
	}
	return err
}

// promised is the disk space that the offers promise together.
func (m *making) promised(tx *store.Tx) (uint64, error) {
	look := &lookup{tx: tx}
	o, _ := look.Offer(m.d.Offer)
	service, addOns := o.Edition(), []plan.Edition{}
	for _, addOn := range m.d.AddOns {
		o, _ := look.Offer(addOn)
		addOns = append(addOns, o.Edition())
	}
	return promised(plan.Promised(&service, addOns)), look.err
}

// subscribe makes the subscription that the account has its values from.
func (m *making) subscribe(tx *store.Tx, now time.Time) error {
	provides, err := provisionOf(tx, m.a.Server)
	if err != nil {
		return err
	}
	defaults, _, err := store.AccountDefaults.Find(tx, cmp.Or(reselling.Own(m.a.Reseller), "provider"))
	if err != nil {
		return err
	}
	d := SubscriptionDraft{Name: m.a.Domain, Reseller: reselling.Own(m.a.Reseller), Customer: m.a.Customer, Plan: m.d.Offer, AddOns: m.d.AddOns, Values: m.pins(&defaults, provides)}
	if m.sub, err = subscribe(tx, m.actor, d, m.a.Server, now); err != nil {
		return err
	}
	m.a.Subscription = m.sub.ID
	m.mailbox(&defaults)
	return nil
}

// pins are what is set on this account alone (rules C10, C16). What only the basic settings want, and the node has not, is left to the offer.
func (m *making) pins(defaults *plan.Defaults, node *plan.Provision) plan.Values {
	pins := defaults.Values()
	for name, v := range pins {
		if node.Available(name, v) != v {
			delete(pins, name)
		}
	}
	for name, word := range map[string]string{plan.IMAP: m.d.IMAP, plan.VirusScan: m.d.VirusScan} {
		switch word {
		case plan.On, plan.Off:
			pins[name] = plan.Switched(word == plan.On)
		}
	}
	if m.d.Shell != "" {
		pins[plan.Shell] = plan.Chosen(m.d.Shell)
	}
	return pins
}

// mailbox adds the default mailbox, which opens with the account's password (rule C22).
func (m *making) mailbox(defaults *plan.Defaults) {
	if !defaults.DefaultMailbox {
		return
	}
	address, err := m.a.Address(defaults.MailboxName)
	if err == nil {
		var with account.Account
		if with, err = m.a.PutMailbox(&m.sub, account.Mailbox{Address: address}); err == nil {
			m.a = with
			m.digests[hosting.SecretOfMailbox(address)] = m.digests[hosting.SecretPassword]
			return
		}
	}
	m.notice = "the default mailbox was not made: " + fault.From(err).Message
}

// promised is the disk space that is promised to an account on its node, in MiB; without a limit nothing is.
func promised(v plan.Values) uint64 {
	limit := v.Of(plan.DiskMiB).Limit
	if limit.None {
		return 0
	}
	return min(limit.Most, hosting.MaxDisk)
}

// firstly does one after the other until one fails.
func firstly(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
