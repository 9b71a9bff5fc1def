package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// work is one change of an account in a commit. The function that does it changes a, and says what the node gets of new digests, what the audit
// line tells, and whether the answer holds a secret.
type work struct {
	tx            *store.Tx
	now           time.Time
	a             account.Account
	sub           subscription.Subscription
	digests       map[string]string
	before, after any
}

// onAccount does work on an account in one commit: the record, its use, what its node is told, and the audit line. secret is shown once in the answer, for
// a request that makes something.
func (in *Intake) onAccount(ctx context.Context, actor access.Actor, accountID, action, secret string, do func(w *work) error) (MadeAccount, int64, error) {
	return in.onAccountSecret(ctx, actor, accountID, action, func() string { return secret }, do)
}

// onAccountSecret is onAccount where it turns out in the commit whether a secret is shown.
func (in *Intake) onAccountSecret(ctx context.Context, actor access.Actor, accountID, action string, shown func() string, do func(w *work) error) (made MadeAccount, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		w := &work{tx: tx, now: now, digests: map[string]string{}}
		if err := w.read(accountID); err != nil {
			return err
		}
		had := w.a
		if err := do(w); err != nil {
			return err
		}
		secret := shown()
		made = MadeAccount{Account: w.a, Password: logging.Secret(secret)}
		return cmp.Or(store.Accounts.Put(tx, accountID, w.a), in.tellNode(tx, &w.a, &w.sub, w.digests, now), mayUse(tx, actor, w.a.Reseller, grown(&had, &w.a)),
			audit(tx, actor, "account."+action, "accounts/"+accountID, w.before, w.after, "", now),
			rememberSecret(tx, "accounts", accountID, made, secret, now))
	})
	return made, rev, err
}

// read finds an account that is not gone.
func (w *work) read(accountID string) error {
	if err := w.find(accountID); err != nil {
		return err
	}
	if w.a.State == account.Gone {
		return fault.Refused("account %s is gone", w.a.Domain)
	}
	return nil
}

func (w *work) find(accountID string) (err error) {
	if w.a, err = store.Accounts.Get(w.tx, accountID); err != nil || w.a.State == account.Gone {
		return err
	}
	w.sub, err = store.Subscriptions.Get(w.tx, w.a.Subscription)
	return err
}

// tellNode writes what follows from an account: how much there is of what is limited, what is promised on its server, and what its node shall make true.
func (in *Intake) tellNode(tx *store.Tx, a *account.Account, s *subscription.Subscription, digests map[string]string, now time.Time) error {
	return cmp.Or(PutUse(tx, s, a.Use()), promise(tx, a, s, now),
		putDocument(in, tx, a.Server, account.Document(a, s), digests, now))
}

// promise keeps what is promised on the server of an account as its subscription has it.
func promise(tx *store.Tx, a *account.Account, s *subscription.Subscription, now time.Time) error {
	p, known, err := store.Placements.Find(tx, a.ID)
	if err != nil || !known || p.DiskMiB == promised(s.Values) {
		return err
	}
	if err := carry(tx, &p, -1); err != nil {
		return err
	}
	p.DiskMiB, p.ChangedAt = promised(s.Values), now
	return cmp.Or(carry(tx, &p, 1), store.Placements.Put(tx, p.ID, p))
}

// followed tells the node of an account what became of its subscription, in the commit that changes that.
func followed(tx *store.Tx, s *subscription.Subscription, now time.Time) error {
	for item := range store.Accounts.Lookup(tx.Hint(), store.AccountsOf, s.ID) {
		a, known, err := store.Accounts.Find(tx, item.ID)
		if err != nil || !known || a.State == account.Gone {
			return err
		}
		var none *Intake // no secret changes
		return none.tellNode(tx, &a, s, nil, now)
	}
	return nil
}

// AddSubdomain adds a site below the account's own domain (rule X14).
func (in *Intake) AddSubdomain(ctx context.Context, actor access.Actor, accountID, text string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "subdomain_add", "", func(w *work) error {
		name, err := w.a.Subdomain(text)
		if err != nil {
			return err
		}
		l := &lookup{tx: w.tx}
		var c fault.Check
		if checkName(&c, l, "name", name, w.a.ID, account.Party{Reseller: w.a.Reseller, Customer: w.a.Customer}); l.err != nil {
			return l.err
		}
		if err := c.Err("the subdomain cannot be added"); err != nil {
			return err
		}
		w.after = part{Subdomain: name}
		w.a, err = w.a.AddSubdomain(&w.sub, name)
		return cmp.Or(err, holdName(w.tx, name, w.a.ID))
	})
}

// DropSubdomain takes a subdomain away; its name is free when the node has let go of it.
func (in *Intake) DropSubdomain(ctx context.Context, actor access.Actor, accountID, text string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "subdomain_remove", "", func(w *work) error {
		name, err := w.a.Subdomain(text)
		if err != nil {
			return err
		}
		w.before = part{Subdomain: name}
		w.a, err = w.a.DropSubdomain(name)
		return err
	})
}

// part is what the audit log says of a thing in an account.
type part struct {
	Subdomain string           `json:"subdomain,omitempty"`
	Login     *account.Login   `json:"ftp_login,omitempty"`
	Mailbox   *account.Mailbox `json:"mailbox,omitempty"`
	List      *account.List    `json:"list,omitempty"`
	Database  string           `json:"database,omitempty"`
	Password  string           `json:"password,omitempty"` // a word about it, never what it is
}

// newPassword is the one that a person gave, or a fresh one that is shown once.
func newPassword(given logging.Secret, user string) (password, shown string, err error) {
	if given == "" {
		password = account.NewPassword()
		return password, password, nil
	}
	var c fault.Check
	account.CheckPassword(&c, "password", string(given), user)
	return string(given), "", c.Err("the password cannot be used")
}

// PutLogin adds an FTP login, with the password given or a fresh one, or changes one that is there: its directory, and its password when one is given.
func (in *Intake) PutLogin(ctx context.Context, actor access.Actor, accountID string, l account.Login, given logging.Secret, fresh bool) (MadeAccount, int64, error) {
	digest, shown, err := in.digestOf(given, fresh)
	if err != nil {
		return MadeAccount{}, 0, err
	}
	return in.onAccount(ctx, actor, accountID, action("ftp_login", fresh), shown, func(w *work) error {
		login := l
		if login.Name, err = w.a.Owned(l.Name); err != nil {
			return err
		}
		if err := w.fresh(fresh, w.a.HasLogin(login.Name), "FTP login "+login.Name); err != nil {
			return err
		}
		w.after = part{Login: &login, Password: told(digest)}
		w.digest(hosting.SecretOfLogin(login.Name), digest)
		w.a, err = w.a.PutLogin(&w.sub, login)
		return err
	})
}

// DropLogin takes an FTP login away; files stay.
func (in *Intake) DropLogin(ctx context.Context, actor access.Actor, accountID, name string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "ftp_login_remove", "", func(w *work) error {
		full, err := w.a.Owned(name)
		if err != nil {
			return err
		}
		w.before = part{Login: &account.Login{Name: full}}
		w.a, err = w.a.DropLogin(full)
		return err
	})
}

// PutMailbox adds a mailbox, with the password given or a fresh one, or changes one that is there.
func (in *Intake) PutMailbox(ctx context.Context, actor access.Actor, accountID string, m account.Mailbox, given logging.Secret, fresh bool) (MadeAccount, int64, error) {
	digest, shown, err := in.digestOf(given, fresh)
	if err != nil {
		return MadeAccount{}, 0, err
	}
	return in.onAccount(ctx, actor, accountID, action("mailbox", fresh), shown, func(w *work) error {
		box := m
		if box.Address, err = w.a.Address(m.Address); err != nil {
			return err
		}
		if err := w.fresh(fresh, w.a.HasMailbox(box.Address), "mailbox "+box.Address); err != nil {
			return err
		}
		w.after = part{Mailbox: &box, Password: told(digest)}
		w.digest(hosting.SecretOfMailbox(box.Address), digest)
		w.a, err = w.a.PutMailbox(&w.sub, box)
		return err
	})
}

// DropMailbox deletes a mailbox with its mail.
func (in *Intake) DropMailbox(ctx context.Context, actor access.Actor, accountID, address string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "mailbox_remove", "", func(w *work) error {
		full := w.a.Full(address)
		w.before = part{Mailbox: &account.Mailbox{Address: full}}
		var err error
		w.a, err = w.a.DropMailbox(full)
		return err
	})
}

// PutList adds a mailing list, or gives one that is there other members.
func (in *Intake) PutList(ctx context.Context, actor access.Actor, accountID string, l account.List) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "list_set", "", func(w *work) (err error) {
		list := l
		if list.Address, err = w.a.Address(l.Address); err != nil {
			return err
		}
		w.after = part{List: &list}
		w.a, err = w.a.PutList(&w.sub, list)
		return err
	})
}

// DropList takes a mailing list away.
func (in *Intake) DropList(ctx context.Context, actor access.Actor, accountID, address string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "list_remove", "", func(w *work) error {
		full := w.a.Full(address)
		w.before = part{List: &account.List{Address: full}}
		var err error
		w.a, err = w.a.DropList(full)
		return err
	})
}

// AddDatabase adds a database. With the first one the database user gets a password of its own, which is shown once.
func (in *Intake) AddDatabase(ctx context.Context, actor access.Actor, accountID, name string) (MadeAccount, int64, error) {
	password, first := account.NewPassword(), false
	made, rev, err := in.onAccountSecret(ctx, actor, accountID, "database_add", func() string {
		if first {
			return password
		}
		return ""
	}, func(w *work) error {
		full, err := w.a.Owned(name)
		if err != nil {
			return err
		}
		if first, err = w.firstDatabase(); err != nil {
			return err
		}
		if first {
			w.digest(hosting.SecretDatabase, account.DatabaseDigest(password))
		}
		w.after = part{Database: full}
		w.a, err = w.a.AddDatabase(&w.sub, full)
		return err
	})
	return made, rev, err
}

// DropDatabase deletes a database with all that is in it.
func (in *Intake) DropDatabase(ctx context.Context, actor access.Actor, accountID, name string) (MadeAccount, int64, error) {
	return in.onAccount(ctx, actor, accountID, "database_remove", "", func(w *work) error {
		full, err := w.a.Owned(name)
		if err != nil {
			return err
		}
		w.before = part{Database: full}
		w.a, err = w.a.DropDatabase(full)
		return err
	})
}

// SetDatabasePassword gives the database user another password: the one given, or a fresh one that is shown once.
func (in *Intake) SetDatabasePassword(ctx context.Context, actor access.Actor, accountID string, given logging.Secret) (MadeAccount, int64, error) {
	password, shown, err := newPassword(given, "")
	if err != nil {
		return MadeAccount{}, 0, err
	}
	return in.onAccount(ctx, actor, accountID, "database_password", shown, func(w *work) error {
		if !w.a.Live() {
			return fault.Refused("account %s is %s; it cannot be changed", w.a.Domain, w.a.State)
		}
		w.after = part{Password: "changed"}
		w.digest(hosting.SecretDatabase, account.DatabaseDigest(password))
		return nil
	})
}

func action(noun string, fresh bool) string {
	return noun + map[bool]string{true: "_add", false: "_set"}[fresh]
}

func told(digest string) string {
	if digest == "" {
		return ""
	}
	return "changed"
}

// digestOf makes the digest of a password for FTP or mail: of the one given, of a fresh one that is shown where something new needs one; "" none.
func (in *Intake) digestOf(given logging.Secret, fresh bool) (digest, shown string, err error) {
	if given == "" && !fresh {
		return "", "", nil
	}
	password, shown, err := newPassword(given, "")
	if err != nil {
		return "", "", err
	}
	digest, err = systemDigest(password)
	return digest, shown, err
}

func (w *work) digest(name, digest string) {
	if digest != "" {
		w.digests[name] = digest
	}
}

// fresh refuses to add what is there, and to change what is not.
func (w *work) fresh(fresh, there bool, what string) error {
	switch {
	case fresh && there:
		return fault.Refused("account %s has the %s already", w.a.Domain, what)
	case !fresh && !there:
		return fault.NotFound("account %s has no %s", w.a.Domain, what)
	}
	return nil
}

// firstDatabase reports whether the database user has no password yet.
func (w *work) firstDatabase() (bool, error) {
	d, known, err := store.Hosted.Find(w.tx, w.a.ID)
	if err != nil || !known {
		return true, err
	}
	for _, name := range d.Names {
		if name == hosting.SecretDatabase {
			return false, nil
		}
	}
	return true, nil
}
