package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

type (
	// Account is what a customer has on a hosting node.
	Account struct {
		account.Account
		Name string `json:"name" doc:"Its domain."`
		Rev  int64  `json:"rev"`
	}
	// AccountDetail is an account with how far its node is, and with what it may have.
	AccountDetail struct {
		Account
		Progress  *account.Progress `json:"progress,omitempty" doc:"How far the node is with the newest version (C12)."`
		Values    plan.Values       `json:"values,omitempty" doc:"That hold now; see the subscription for where they come from."`
		Suspended []string          `json:"suspended,omitempty"`
	}
	// NewAccount is an account with what is shown this once.
	NewAccount struct {
		Account
		Notice   string `json:"notice,omitempty" doc:"What could not be done beside it (C22)."`
		Password string `json:"password,omitempty" doc:"A fresh one, shown this once; nothing where it was given."`
	}
	// Forward is a domain that leads to an account's site.
	Forward struct {
		account.Forward
		Name string `json:"name" doc:"Its domain."`
		Rev  int64  `json:"rev"`
	}
)

type (
	accountBody struct{ intake.AccountDraft }
	forwardBody struct{ intake.ForwardDraft }
	removeBody  struct {
		Confirm string `json:"confirm" doc:"The domain of the account."`
		Reason  string `json:"reason,omitempty" doc:"Why; kept in the audit log."`
	}
	newPasswordBody struct {
		Password logging.Secret `json:"password,omitempty" doc:"At least 12 characters; none: a fresh one, which is shown once."`
	}
	subdomainBody struct {
		Name string `json:"name" doc:"One label, such as shop, or a name below the account's own domain."`
	}
	ftpLoginBody struct {
		Name     string         `json:"name" doc:"A word of small letters, digits and _; the account's user name and _ are put in front."`
		Dir      string         `json:"dir,omitempty" doc:"Below the home, such as htdocs/shop; none is all of it."`
		Password logging.Secret `json:"password,omitempty" doc:"At least 12 characters. A new login without one gets a fresh one, which is shown once."`
	}
	mailboxBody struct {
		Address  string         `json:"address" doc:"In front of the @, or all of it; in the account's domain, a subdomain or an alias."`
		QuotaMiB *uint64        `json:"quota_mib,omitempty" doc:"None is no limit of its own; 0 is a real zero (X12)."`
		Password logging.Secret `json:"password,omitempty" doc:"At least 12 characters. A new mailbox without one gets a fresh one, which is shown once."`
	}
	mailingListBody struct {
		Address string   `json:"address" doc:"In front of the @, or all of it."`
		Members []string `json:"members" doc:"Addresses that get what is sent to the list, 1 to 500."`
		Owner   string   `json:"owner,omitempty" doc:"Address that is told what could not be delivered."`
	}
	databaseBody struct {
		Name string `json:"name" doc:"A word of small letters, digits and _; the account's user name and _ are put in front."`
	}
	forwardEdit struct {
		Redirect bool `json:"redirect" doc:"Answer with 301 to the account's domain; otherwise an alias."`
	}
)

func (b *accountBody) check(c *fault.Check, _ intake.Lookup, _ *state) { b.Check(c) }
func (b *forwardBody) check(c *fault.Check, _ intake.Lookup, _ *state) { b.Check(c) }
func (b *removeBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

func (a *API) registerAccounts() {
	a.lister("accounts", "Accounts on hosting nodes", Account{})
	without(a, "GET /v1/accounts/{id}", about{summary: "One account, with how far its node is", tag: "accounts", answer: AccountDetail{}}, a.accountDetail)
	withBody(a, "POST /v1/accounts", about{
		summary: "Make an account; its password is shown once", tag: "accounts", answer: NewAccount{}, status: http.StatusCreated, creates: true,
		detail: "The node makes it then: progress of the account tells its steps (C12). The same user name and password log into console, FTP and, where the shell allows it, SSH (C11). " +
			"A repetition with the same Idempotency-Key shows the password again for ten minutes, to the same login only.",
	}, func(c *call, b *accountBody) (reply, error) {
		m, _, err := a.in.CreateAccount(c.ctx(), c.actor(), b.AccountDraft)
		return c.created("accounts", m.ID, &m, string(m.Password), err)
	})
	without(a, "GET /v1/accounts/{id}/removal", about{summary: "All that goes with an account (C14)", tag: "accounts", answer: account.Removal{}}, a.accountRemoval)
	withBody(a, "POST /v1/accounts/{id}/remove", about{
		summary: "Remove an account with all that is in it (C14)", tag: "accounts", answer: Account{},
		detail: "What could not be removed is told, and can be tried again; until nothing is left its user name and its domains are held (X15).",
	}, func(c *call, b *removeBody) (reply, error) {
		return a.onAccount(c, func(id string) error {
			_, _, err := a.in.RemoveAccount(c.ctx(), c.actor(), id, b.Confirm, b.Reason)
			return err
		})
	})
	acting(a, "accounts", "retry", "Let the node try at once what it could not do", Account{}, func(ctx context.Context, actor access.Actor, id, reason string) (account.Account, error) {
		v, _, err := a.in.RetryAccount(ctx, actor, id, reason)
		return v, err
	})
	a.registerAccountParts()
	a.registerForwards()
}

// part registers something that is made in an account, and whose answer may show a password once.
func partOf[B any](a *API, name, summary string, do func(c *call, id string, b *B) (intake.MadeAccount, int64, error)) {
	method, _ := split(name)
	d := about{summary: summary, tag: "accounts", answer: NewAccount{}}
	if method == http.MethodPost {
		d.status, d.creates = http.StatusCreated, true
	}
	withBody(a, name, d, func(c *call, b *B) (reply, error) {
		r, err := a.find(c, "accounts")
		if err != nil {
			return reply{}, err
		}
		m, rev, err := do(c, r.id, b)
		if method == http.MethodPost {
			return c.created("accounts", m.ID, &m, string(m.Password), err)
		}
		if err != nil {
			return reply{}, err
		}
		v := newAccount(&m, string(m.Password), rev)
		return reply{body: render(&v)}, a.board.wait(c.ctx(), rev)
	})
}

// dropOf registers that something of an account is taken away; it is named in the query.
func dropOf(a *API, name, field, summary string, do func(ctx context.Context, actor access.Actor, id, which string) (intake.MadeAccount, int64, error)) {
	params := []*huma.Param{{Name: field, In: "query", Required: true, Schema: text0, Description: "Which one."}}
	without(a, name, about{summary: summary, tag: "accounts", answer: Account{}, params: params}, func(c *call) (reply, error) {
		return a.onAccount(c, func(id string) error {
			_, _, err := do(c.ctx(), c.actor(), id, c.r.URL.Query().Get(field))
			return err
		})
	})
}

func (a *API) registerAccountParts() {
	in := a.in
	partOf(a, "PUT /v1/accounts/{id}/password", "Give an account another password: console, system and FTP together (C15)", func(c *call, id string, b *newPasswordBody) (intake.MadeAccount, int64, error) {
		return in.SetAccountPassword(c.ctx(), c.actor(), id, b.Password)
	})
	partOf(a, "POST /v1/accounts/{id}/subdomains", "Add a site below the account's domain", func(c *call, id string, b *subdomainBody) (intake.MadeAccount, int64, error) {
		return in.AddSubdomain(c.ctx(), c.actor(), id, b.Name)
	})
	dropOf(a, "DELETE /v1/accounts/{id}/subdomains", "name", "Take a subdomain away; its files stay", in.DropSubdomain)
	login := func(fresh bool) func(c *call, id string, b *ftpLoginBody) (intake.MadeAccount, int64, error) {
		return func(c *call, id string, b *ftpLoginBody) (intake.MadeAccount, int64, error) {
			return in.PutLogin(c.ctx(), c.actor(), id, account.Login{Name: b.Name, Dir: b.Dir}, b.Password, fresh)
		}
	}
	partOf(a, "POST /v1/accounts/{id}/ftp-logins", "Add an FTP login", login(true))
	partOf(a, "PUT /v1/accounts/{id}/ftp-logins", "Change the directory or the password of an FTP login", login(false))
	dropOf(a, "DELETE /v1/accounts/{id}/ftp-logins", "name", "Take an FTP login away; files stay", in.DropLogin)
	mailbox := func(fresh bool) func(c *call, id string, b *mailboxBody) (intake.MadeAccount, int64, error) {
		return func(c *call, id string, b *mailboxBody) (intake.MadeAccount, int64, error) {
			return in.PutMailbox(c.ctx(), c.actor(), id, account.Mailbox{Address: b.Address, QuotaMiB: b.QuotaMiB}, b.Password, fresh)
		}
	}
	partOf(a, "POST /v1/accounts/{id}/mailboxes", "Add a mailbox", mailbox(true))
	partOf(a, "PUT /v1/accounts/{id}/mailboxes", "Change the quota or the password of a mailbox", mailbox(false))
	dropOf(a, "DELETE /v1/accounts/{id}/mailboxes", "address", "Delete a mailbox with its mail", in.DropMailbox)
	partOf(a, "PUT /v1/accounts/{id}/lists", "Add a mailing list, or give one other members", func(c *call, id string, b *mailingListBody) (intake.MadeAccount, int64, error) {
		return in.PutList(c.ctx(), c.actor(), id, account.List{Address: b.Address, Members: b.Members, Owner: b.Owner})
	})
	dropOf(a, "DELETE /v1/accounts/{id}/lists", "address", "Take a mailing list away", in.DropList)
	partOf(a, "POST /v1/accounts/{id}/databases", "Add a database; with the first one the password of the database user is shown once", func(c *call, id string, b *databaseBody) (intake.MadeAccount, int64, error) {
		return in.AddDatabase(c.ctx(), c.actor(), id, b.Name)
	})
	dropOf(a, "DELETE /v1/accounts/{id}/databases", "name", "Delete a database with all that is in it", in.DropDatabase)
	partOf(a, "PUT /v1/accounts/{id}/database-password", "Give the database user another password", func(c *call, id string, b *newPasswordBody) (intake.MadeAccount, int64, error) {
		return in.SetDatabasePassword(c.ctx(), c.actor(), id, b.Password)
	})
}

func (a *API) registerForwards() {
	a.lister("forwards", "Domains that lead to accounts", Forward{})
	a.getter("forwards", "One forward", Forward{})
	withBody(a, "POST /v1/forwards", about{
		summary: "Let a new domain lead to an account's site (C18)", tag: "forwards", answer: Forward{}, status: http.StatusCreated, creates: true,
	}, func(c *call, b *forwardBody) (reply, error) {
		f, _, err := a.in.CreateForward(c.ctx(), c.actor(), b.ForwardDraft)
		return c.created("forwards", f.ID, &f, "", err)
	})
	withBody(a, "PUT /v1/forwards/{id}/redirect", about{summary: "Say whether a forward redirects, or shows the site under its own name", tag: "forwards", answer: Forward{}},
		func(c *call, b *forwardEdit) (reply, error) {
			r, err := a.find(c, "forwards")
			if err != nil {
				return reply{}, err
			}
			if _, _, err := a.in.EditForward(c.ctx(), c.actor(), r.id, b.Redirect); err != nil {
				return reply{}, err
			}
			return a.shown(c, "forwards", r.id)
		})
	acting(a, "forwards", "remove", "Take a forward away (C19); its name is free when the node has let go of it", Forward{}, func(ctx context.Context, actor access.Actor, id, reason string) (account.Forward, error) {
		f, _, err := a.in.RemoveForward(ctx, actor, id, reason)
		return f, err
	})
}

// onAccount does something to the account that the path names, and answers the account as it is then.
func (a *API) onAccount(c *call, do func(id string) error) (reply, error) {
	r, err := a.find(c, "accounts")
	if err != nil {
		return reply{}, err
	}
	if err := do(r.id); err != nil {
		return reply{}, err
	}
	return a.shown(c, "accounts", r.id)
}

func (a *API) accountDetail(c *call) (reply, error) {
	r, err := a.find(c, "accounts")
	if err != nil {
		return reply{}, err
	}
	v := AccountDetail{Account: accountView(r.value.(*account.Account), r.rev)}
	if c.narrowed("accounts") {
		v.Account = narrowAccount(v.Account)
	}
	snap := a.opt.Store.Snapshot()
	if d, ok := store.Hosted.In(snap, r.id); ok {
		o, _ := store.HostedResults.In(snap, r.id)
		p := account.ProgressOf(d, o)
		v.Progress = &p
	}
	if s, ok := store.Subscriptions.In(snap, v.Subscription); ok {
		v.Values, v.Suspended = s.Values, s.Suspended
	}
	return reply{etag: tag(r.rev, r.rev), body: render(&v)}, nil
}

func (a *API) accountRemoval(c *call) (reply, error) {
	r, err := a.find(c, "accounts")
	if err != nil {
		return reply{}, err
	}
	v := r.value.(*account.Account)
	removal := account.RemovalOf(v)
	_, removal.Connected = store.Presences.View(a.opt.Store, v.Server)
	if c.narrowed("accounts") {
		removal.Server = ""
	}
	return reply{body: render(&removal)}, nil
}

func accountView(v *account.Account, rev int64) Account { return Account{*v, v.Domain, rev} }

// newAccount is an account with a secret. Who may make one in it sees its server, or not, when he reads it.
func newAccount(m *intake.MadeAccount, secret string, rev int64) NewAccount {
	return NewAccount{narrowAccount(accountView(&m.Account, rev)), m.Notice, secret}
}

// narrowAccount is what reseller and customer see of an account: which server carries it, and who of the provider made it, is the provider's business.
func narrowAccount(v Account) Account {
	v.Server, v.CreatedBy = "", ""
	return v
}

func narrowForward(v Forward) Forward {
	v.Server, v.CreatedBy = "", ""
	return v
}

func accountSheet() *sheet {
	return newSheet("accounts",
		label("id", func(a *account.Account) string { return a.ID }),
		label("name", func(a *account.Account) string { return a.Domain }),
		text("user", func(a *account.Account) string { return a.User }),
		hiding(text("state", func(a *account.Account) string { return a.State }, account.States...), account.Gone),
		path("reseller", func(a *account.Account) string { return a.Reseller }),
		text("customer", func(a *account.Account) string { return a.Owner }),
		text("subscription", func(a *account.Account) string { return a.Subscription }),
		inside(text("server", func(a *account.Account) string { return a.Server })),
		moment("created_at", func(a *account.Account) time.Time { return a.CreatedAt }),
		moment("changed_at", func(a *account.Account) time.Time { return a.ChangedAt }),
	)
}

func forwardSheet() *sheet {
	return newSheet("forwards",
		label("id", func(f *account.Forward) string { return f.ID }),
		label("name", func(f *account.Forward) string { return f.Domain }),
		text("account", func(f *account.Forward) string { return f.Account }),
		text("state", func(f *account.Forward) string { return f.State }, account.Making, account.There, account.Leaving),
		path("reseller", func(f *account.Forward) string { return f.Reseller }),
		text("customer", func(f *account.Forward) string { return f.Owner }),
		inside(text("server", func(f *account.Forward) string { return f.Server })),
		moment("created_at", func(f *account.Forward) time.Time { return f.CreatedAt }),
	)
}
