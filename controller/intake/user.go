package intake

import (
	"cmp"
	"context"
	"crypto/rand"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// UserDraft is what a person says of a new user.
type UserDraft struct {
	Name       string      `json:"name" doc:"Login name or e-mail address; unique without regard to case."`
	Email      string      `json:"email,omitempty" doc:"Where letters to the user go, such as a link for a new password; the name, if that is an address, unless given."`
	Role       access.Role `json:"role" doc:"What the user may do (X7)."`
	Department string      `json:"department,omitempty" doc:"With role department."`
	Customer   string      `json:"customer,omitempty" doc:"With role customer: whose objects the user sees; id of a customer, or what his orders say as customer."`
	Reseller   string      `json:"reseller,omitempty" doc:"With role reseller: id of the reseller whose user it is; the one who asks unless given."`
	Password   string      `json:"password" doc:"At least 12 characters. Only a hash is kept (X9)."`
}

func (d UserDraft) belonging() belonging {
	return belonging{d.Role, d.Department, d.Customer, d.Reseller}
}

// Check records all fields that are wrong. What the actor does not see does not exist.
func (d UserDraft) Check(c *fault.Check, look Lookup, actor access.Actor) {
	order.CheckName(c, "name", d.Name)
	d.belonging().check(c, look, actor, "reseller")
	access.CheckPassword(c, "password", d.Password, d.Name)
	checkEmail(c, d.Email)
	_, taken := look.Holder("users", d.Name)
	c.Require(!taken, "name", "%q is taken; names differ by more than case", d.Name)
}

// CreateUser adds a user. Faults: invalid; refused when the reseller he belongs to is disabled, or he or one above him is suspended: nobody could log in.
func (in *Intake) CreateUser(ctx context.Context, actor access.Actor, d UserDraft) (u access.User, rev int64, err error) {
	now, fresh := in.now(), id.New("usr")
	hash, err := hashOf(d.Password)
	if err != nil {
		return u, 0, err
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the user cannot be made", func(c *fault.Check, look Lookup) {
			d.Check(c, look, actor)
			u = access.User{ID: fresh, Name: d.Name, Email: d.Email, Role: d.Role, Department: d.Department, PasswordHash: hash, CreatedAt: now}
			u.Customer, u.Reseller = d.belonging().settled(look, actor)
		}); err != nil {
			return err
		}
		if u.Reseller != "" {
			if _, err := working(tx, reselling.Own(u.Reseller)); err != nil {
				return err
			}
		}
		return cmp.Or(store.Users.Create(tx, u.ID, u), rename(tx, "users", "", u.Name, u.ID),
			audit(tx, actor, "user.create", "users/"+u.ID, nil, u, "", now),
			remember(tx, "users", u.ID, withoutHash(u), now))
	})
	return u, rev, err
}

func withoutHash(u access.User) access.User {
	u.PasswordHash = ""
	return u
}

func hashOf(password string) (string, error) {
	if len(password) > access.MaxPassword {
		password = password[:access.MaxPassword+1] // Check refuses it; do not hash megabytes before
	}
	salt := make([]byte, access.SaltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the process instead
	return access.HashPassword(password, salt)
}

// DisableUser keeps a user from logging in, and ends the logins that are open; or
// lets the user in again. The last admin cannot be disabled by himself.
func (in *Intake) DisableUser(ctx context.Context, actor access.Actor, userID string, disabled bool) (u access.User, rev int64, err error) {
	now := in.now()
	action := map[bool]string{true: "user.disable", false: "user.enable"}[disabled]
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		if u = before; u.Disabled == disabled {
			return nil
		}
		if disabled && u.Name == actor.Name {
			return fault.Refused("you cannot disable yourself; ask another administrator")
		}
		u.Disabled = disabled
		return cmp.Or(store.Users.Put(tx, userID, u), audit(tx, actor, action, "users/"+userID, before, u, "", now))
	})
	return u, rev, err
}

// SetPassword gives a user a new password. Open logins end with the old one.
func (in *Intake) SetPassword(ctx context.Context, actor access.Actor, userID, password string) (u access.User, rev int64, err error) {
	now := in.now()
	hash, err := hashOf(password)
	if err != nil {
		return u, 0, err
	}
	var ofNode string
	if seen, ok := store.Users.View(in.store, userID); ok {
		if ofNode, err = in.besides(seen, password); err != nil {
			return u, 0, err
		}
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		if before.Issuer != "" {
			return fault.Refused("%s logs in through the provider %s and has no password here", before.Name, before.Issuer)
		}
		var c fault.Check
		checkBoth(&c, password, &before)
		if err := c.Err("the password cannot be used"); err != nil {
			return err
		}
		u = before
		u.PasswordHash, u.PasswordAt = hash, now
		return cmp.Or(store.Users.Put(tx, userID, u), in.nodeToo(tx, &u, ofNode), audit(tx, actor, "user.password", "users/"+userID, before, u, "", now))
	})
	return u, rev, err
}
