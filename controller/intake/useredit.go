package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// UserEdit is what can be changed of a user. To whom a user of a reseller or customer belongs stays as it was.
type UserEdit struct {
	Email      string      `json:"email,omitempty" doc:"Where letters to the user go."`
	Role       access.Role `json:"role" doc:"What the user may do (X7); one of the provider's roles becomes another of them."`
	Department string      `json:"department,omitempty" doc:"With role department."`
}

// Check records all fields that are wrong; before is the user as he is.
func (d UserEdit) Check(c *fault.Check, before access.User) {
	checkEmail(c, d.Email)
	ours := d.Role.IsStaff() && before.Role.IsStaff()
	c.Require(d.Role == before.Role || ours, "role", "is %.40q; a user who is %s can become %s", d.Role, before.Role, others(before.Role))
	if d.Role == access.RoleDepartment {
		order.CheckName(c, "department", d.Department)
	}
}

func others(r access.Role) string {
	if !r.IsStaff() {
		return "nothing else; make another user"
	}
	text := ""
	for _, o := range access.Staff() {
		text += " " + string(o)
	}
	return "one of" + text
}

// EditUser changes a user who is still at revision rev. What he may do changes at once, for his open logins too.
func (in *Intake) EditUser(ctx context.Context, actor access.Actor, userID string, rev int64, edit func(UserEdit) (UserEdit, error)) (u access.User, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Users, userID, rev, before); err != nil {
			return err
		}
		d, err := edit(UserEdit{before.Email, before.Role, before.Department})
		if err != nil {
			return err
		}
		if err := checked(tx, "the user cannot be changed", func(c *fault.Check, _ Lookup) { d.Check(c, before) }); err != nil {
			return err
		}
		if before.Name == actor.Name && d.Role != before.Role {
			return fault.Refused("you cannot change your own role; ask another administrator")
		}
		u = before
		u.Email, u.Role, u.Department = d.Email, d.Role, d.Department
		return cmp.Or(store.Users.Put(tx, userID, u), audit(tx, actor, "user.edit", "users/"+userID, before, u, "", now))
	})
	return u, at, err
}
