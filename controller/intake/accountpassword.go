package intake

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// SetAccountPassword gives an account another password: its console user, system and FTP change together or not at all (rule C15). None given: a
// fresh one, which is shown once.
func (in *Intake) SetAccountPassword(ctx context.Context, actor access.Actor, accountID string, given logging.Secret) (MadeAccount, int64, error) {
	now := in.now()
	var name string
	if a, ok := store.Accounts.View(in.store, accountID); ok {
		name = a.User
	}
	password, shown, err := newPassword(given, name)
	if err != nil {
		return MadeAccount{}, 0, err
	}
	all, err := newDigests(password)
	if err != nil {
		return MadeAccount{}, 0, err
	}
	return in.onAccount(ctx, actor, accountID, "password", shown, func(w *work) error {
		if !w.a.Live() {
			return fault.Refused("account %s is %s; it cannot be changed", w.a.Domain, w.a.State)
		}
		u, known, err := consoleUser(w.tx, accountID)
		if err != nil {
			return err
		}
		w.after = part{Password: "changed"}
		w.digest(hosting.SecretPassword, all.system)
		if !known {
			return nil
		}
		u.PasswordHash, u.PasswordAt = all.console, now
		return store.Users.Put(w.tx, u.ID, u)
	})
}

// besides makes what the node of a user's account gets when the user's password is changed elsewhere: by an administrator, or by a link in a letter. It is
// made before the commit; "" for a user without an account.
func (in *Intake) besides(u *access.User, password string) (string, error) {
	if u.Account == "" || len(password) > access.MaxPassword {
		return "", nil
	}
	return systemDigest(password)
}

// nodeToo gives the node of a user's account the new password, in the commit that gives it to the console (rule C15).
func (in *Intake) nodeToo(tx *store.Tx, u *access.User, digest string) error {
	if u.Account == "" {
		return nil
	}
	w := &work{tx: tx, now: in.now()}
	if err := w.read(u.Account); err != nil {
		return err
	}
	if digest == "" || !w.a.Live() {
		return fault.Refused("account %s cannot be given a password now; try again", w.a.Domain)
	}
	return putDocument(in, tx, w.a.Server, account.Document(&w.a, &w.sub), map[string]string{hosting.SecretPassword: digest}, w.now)
}

// checkBoth records what a password of console and node together may not be.
func checkBoth(c *fault.Check, password string, u *access.User) {
	if u.Account == "" {
		access.CheckPassword(c, "password", password, u.Name)
		return
	}
	account.CheckPassword(c, "password", password, u.Name)
}
