package intake

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// ResetLife is how long a link for a new password is good.
const ResetLife = time.Hour

// maxResets is how many links of one user may be good at a time: asking cannot fill his mailbox, nor the store.
const maxResets = 5

// ResetPrefix starts the secret of a link for a new password.
const ResetPrefix = "syr_"

// checkEmail records what is no address; "" is none.
func checkEmail(c *fault.Check, email string) {
	if email != "" {
		notify.CheckAddress(c, "email", email)
	}
}

// addressOf is where letters to a user go, "" when nowhere is known.
func addressOf(u access.User) string {
	if u.Email == "" && notify.IsAddress(u.Name) {
		return u.Name
	}
	return u.Email
}

// ForgotPassword posts a letter with a link for a new password to the user with this name. An unknown name, a
// disabled user, one without an address and one who has links enough get none, and that is no error: whoever asks is
// nobody yet. The secret in the link is kept nowhere but sealed, in the letter, until that is sent (rule X9).
func (in *Intake) ForgotPassword(ctx context.Context, name string) error {
	now, fresh := in.now(), id.New("tok")
	secret := ResetPrefix + id.Secret()
	return in.change(ctx, func(tx *store.Tx) error {
		u, ok, err := userNamed(tx, name)
		if err != nil || !ok || u.Disabled || u.Issuer != "" || addressOf(u) == "" || in.resetsOf(u, now) >= maxResets {
			return err
		}
		base, err := publicURL(tx)
		if err != nil {
			return err
		}
		t := access.Token{
			ID: fresh, Kind: access.TokenReset, Name: "new password of " + u.Name, Digest: access.Digest(secret), User: u.ID,
			CreatedAt: now, CreatedBy: access.System.Name, ExpiresAt: now.Add(ResetLife),
		}
		letter := Letter{To: addressOf(u), Subject: "A new password for " + u.Name, Body: resetText(u.Name, base, secret), Secret: true, Until: t.ExpiresAt}
		return cmp.Or(store.Tokens.Create(tx, t.ID, t), in.postSecret(tx, letter, now),
			audit(tx, access.System, "password.forgot", "users/"+u.ID, nil, t, "", now))
	})
}

// userNamed finds a user by name, without regard to case.
func userNamed(tx *store.Tx, name string) (u access.User, ok bool, err error) {
	held, ok, err := names.Find(tx, nameKey("users", name))
	if err != nil || !ok {
		return u, false, err
	}
	return store.Users.Find(tx, held.ID)
}

// resetsOf counts the links of a user that are good, as this replica knows it.
func (in *Intake) resetsOf(u access.User, now time.Time) (n int) {
	for i := range store.Tokens.Items(in.store.Snapshot()) {
		if t := i.Value; t.Kind == access.TokenReset && t.User == u.ID && resetGood(t, u, now) {
			n++
		}
	}
	return n
}

// resetGood reports whether a link still sets the password of its user: once, within its time, and not after another
// new password.
func resetGood(t *access.Token, u access.User, now time.Time) bool {
	return t.Kind == access.TokenReset && !t.Revoked && now.Before(t.ExpiresAt) && !u.Disabled && !t.CreatedAt.Before(u.PasswordAt)
}

// publicURL is the address that links in letters begin with, "" when nobody set one.
func publicURL(tx *store.Tx) (string, error) {
	s, _, err := store.Settings.Find(tx, store.FleetSettings)
	if err != nil || s.PublicURL != "" {
		return strings.TrimRight(s.PublicURL, "/"), err
	}
	m, _, err := store.MailServers.Find(tx, store.TheMailServer)
	return strings.TrimRight(m.BaseURL, "/"), err
}

// resetText is the letter. The secret is behind the #, which no browser sends to a server or tells another page.
func resetText(name, base, secret string) string {
	var b strings.Builder
	b.WriteString("Somebody, most likely you, asked for a new password for " + name + ".\n\n")
	if base != "" {
		b.WriteString("Set it here, within an hour:\n\n  " + base + "/reset#" + secret + "\n\nOr at a command line:\n\n")
	} else {
		b.WriteString("Set it at a command line, within an hour:\n\n")
	}
	b.WriteString("  steelyard password reset\n\nwhich asks for this code:\n\n  " + secret + "\n\n" +
		"Whoever has this letter can set the password, once: pass it on to nobody. Setting it ends all logins that are open.\n" +
		"If it was not you, do nothing: your password stays as it is.\n")
	return b.String()
}

// ResetTarget is the user whose password a link sets, as this replica knows it; false when the link is not good.
func (in *Intake) ResetTarget(secret string) (u access.User, t access.Token, ok bool) {
	digest, snap := access.Digest(secret), in.store.Snapshot()
	for i := range store.Tokens.Items(snap) {
		if i.Value.Kind == access.TokenReset && access.SameDigest(i.Value.Digest, digest) {
			if user, known := store.Users.In(snap, i.Value.User); known && resetGood(i.Value, *user, in.now()) {
				return *user, *i.Value, true
			}
		}
	}
	return u, t, false
}

// errReset is what a link that is not good any more is answered.
var errReset = fault.Denied("this link has been used, or its time is over; ask for a new one: steelyard password forgot")

// ResetPassword sets the password of who has a link. All that was opened with the old one ends, other links too.
func (in *Intake) ResetPassword(ctx context.Context, tokenID, password string) (rev int64, err error) {
	now := in.now()
	hash, err := hashOf(password)
	if err != nil {
		return 0, err
	}
	ofNode, err := in.besidesLink(tokenID, password)
	if err != nil {
		return 0, err
	}
	return in.store.Change(ctx, func(tx *store.Tx) error {
		t, ok, err := store.Tokens.Find(tx, tokenID)
		if err != nil || !ok {
			return cmp.Or[error](err, errReset)
		}
		before, err := store.Users.Get(tx, t.User)
		if err != nil || !resetGood(&t, before, now) {
			return cmp.Or[error](err, errReset)
		}
		var c fault.Check
		checkBoth(&c, password, &before)
		if err := c.Err("the password cannot be used"); err != nil {
			return err
		}
		u := before
		u.PasswordHash, u.PasswordAt = hash, now
		t.Revoked = true
		return cmp.Or(store.Tokens.Put(tx, t.ID, t), store.Users.Put(tx, u.ID, u), in.nodeToo(tx, &u, ofNode),
			audit(tx, u.Actor(),
				"user.password", "users/"+u.ID, before, u, "by a link in a letter", now))
	})
}

// besidesLink is besides for the user whose password a link sets.
func (in *Intake) besidesLink(tokenID, password string) (string, error) {
	t, ok := store.Tokens.View(in.store, tokenID)
	if !ok {
		return "", nil
	}
	u, ok := store.Users.View(in.store, t.User)
	if !ok {
		return "", nil
	}
	return in.besides(u, password)
}
