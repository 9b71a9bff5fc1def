package intake

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// SessionLife is how long a login lasts.
const SessionLife = 12 * time.Hour

// maxTokenLife and maxUses bound what a token may be made for.
const (
	maxTokenLife = 366 * 24 * time.Hour
	maxUses      = 100_000
)

// TokenDraft is what a person says of a new token.
type TokenDraft struct {
	Kind        string              `json:"kind" doc:"api: for a program; join: enrols agents."`
	Name        string              `json:"name" doc:"What it is for."`
	Role        access.Role         `json:"role,omitempty" doc:"api: what it may do."`
	Department  string              `json:"department,omitempty" doc:"api with role department."`
	Customer    string              `json:"customer,omitempty" doc:"api with role customer: whose objects it sees; id of a customer, or what his orders say as customer."`
	Reseller    string              `json:"reseller,omitempty" doc:"api with role reseller: id of the reseller whose objects it sees."`
	Location    string              `json:"location,omitempty" doc:"join: id of the location where the machines are."`
	MaxUses     int                 `json:"max_uses,omitempty" doc:"join: how many machines may use it; 0 is no limit."`
	AutoApprove bool                `json:"auto_approve,omitempty" doc:"join: the machines need no approval."`
	Permissions []access.Permission `json:"permissions,omitempty" maxItems:"100" doc:"api: all that it may do, of what its role may; none given: all of that."`
	ExpiresAt   time.Time           `json:"expires_at,omitzero" required:"false" doc:"Within a year. A join token without it ends after 24 hours, an api token after 90 days."`
}

// Check records all fields that are wrong.
func (d TokenDraft) Check(c *fault.Check, look Lookup, now time.Time) {
	order.CheckName(c, "name", d.Name)
	switch d.Kind {
	case access.TokenAPI:
		d.belonging().check(c, look, access.System, "reseller")
		for i, p := range d.Permissions {
			c.Require(p != access.Public && access.Allowed(d.Role, p), "permissions["+strconv.Itoa(i)+"]", "%.40q is nothing that the role %.40q may do", p, d.Role)
		}
		c.Require(d.Location == "", "location", "is only for join tokens")
		c.Require(d.MaxUses == 0, "max_uses", "is only for join tokens")
		c.Require(!d.AutoApprove, "auto_approve", "is only for join tokens")
	case access.TokenJoin:
		c.Require(len(d.Permissions) == 0, "permissions", "is only for api tokens")
		c.Require(d.Role == "", "role", "is only for api tokens; a join token enrols machines and does nothing else")
		c.Require(d.Reseller == "", "reseller", "is only for api tokens")
		c.Require(0 <= d.MaxUses && d.MaxUses <= maxUses, "max_uses", "is %d; give a whole number from 0 (no limit) to %d", d.MaxUses, maxUses)
		if d.Location != "" {
			_, ok := look.Location(d.Location)
			c.Require(ok, "location", "%.80q does not exist; see: steelyard location list", d.Location)
		}
	default:
		c.Add("kind", "is %.40q; give api or join", d.Kind)
	}
	if !d.ExpiresAt.IsZero() {
		c.Require(d.ExpiresAt.After(now) && d.ExpiresAt.Before(now.Add(maxTokenLife)), "expires_at", "must be in the future and within a year")
	}
}

func (d TokenDraft) belonging() belonging {
	return belonging{d.Role, d.Department, d.Customer, d.Reseller}
}

// CreateToken makes a token and returns its secret, which is kept nowhere (rule X9).
func (in *Intake) CreateToken(ctx context.Context, actor access.Actor, d TokenDraft) (t access.Token, secret string, rev int64, err error) {
	now, fresh := in.now(), id.New("tok")
	secret = newSecret(d.Kind)
	if d.ExpiresAt.IsZero() {
		d.ExpiresAt = now.Add(map[string]time.Duration{access.TokenJoin: 24 * time.Hour, access.TokenAPI: 90 * 24 * time.Hour}[d.Kind])
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the token cannot be made", func(c *fault.Check, look Lookup) {
			d.Check(c, look, now)
			t = access.Token{
				ID: fresh, Kind: d.Kind, Name: d.Name, Digest: access.Digest(secret), Role: d.Role, Department: d.Department,
				Location: d.Location, MaxUses: d.MaxUses, AutoApprove: d.AutoApprove, CreatedAt: now, CreatedBy: actor.Name, ExpiresAt: d.ExpiresAt,
				Permissions: d.Permissions,
			}
			t.Customer, t.Reseller = d.belonging().settled(look, access.System)
		}); err != nil {
			return err
		}
		return cmp.Or(store.Tokens.Create(tx, t.ID, t),
			audit(tx, actor, "token.create", "tokens/"+t.ID, nil, t, "", now),
			rememberSecret(tx, "tokens", t.ID, t, secret, now))
	})
	return t, secret, rev, err
}

// OwnTokenLife is how long a token lasts that a user made for a program.
const OwnTokenLife = 30 * 24 * time.Hour

// OwnTokenDraft asks for a token that does some of what its user may do.
type OwnTokenDraft struct {
	Name        string              `json:"name" doc:"What it is for."`
	Permissions []access.Permission `json:"permissions" minItems:"1" maxItems:"100" doc:"All that it may do; each is one of your own."`
}

// Check records all fields that are wrong; may tells what the user may do now.
func (d OwnTokenDraft) Check(c *fault.Check, may func(access.Permission) bool) {
	order.CheckName(c, "name", d.Name)
	c.Require(len(d.Permissions) > 0, "permissions", "is empty; say what the token is to do")
	for i, p := range d.Permissions {
		c.Require(p != access.Public && may(p), "permissions["+strconv.Itoa(i)+"]", "%.40q is not yours to give", p)
	}
}

// CreateOwnToken makes a token for a program from a login, or from such a token, and returns its
// secret, which is kept nowhere (rule X9).
func (in *Intake) CreateOwnToken(ctx context.Context, actor access.Actor, from *access.Token, d OwnTokenDraft) (t access.Token, secret string, rev int64, err error) {
	if from.User == "" {
		return t, "", 0, fault.Refused("an API token belongs to no user, so nothing can be made in his name; log in")
	}
	now, fresh := in.now(), id.New("tok")
	secret = newSecret(access.TokenProgram)
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		present, err := store.Tokens.Get(tx, from.ID)
		if err != nil {
			return err
		}
		if present.Revoked {
			return fault.Denied("the login has ended; log in again")
		}
		t = access.Token{
			ID: fresh, Kind: access.TokenProgram, Name: d.Name, Digest: access.Digest(secret), Role: actor.Role, User: from.User, Permissions: d.Permissions,
			Department: actor.Department, Customer: actor.Customer, Reseller: actor.Reseller,
			CreatedAt: now, CreatedBy: actor.Name, ExpiresAt: now.Add(OwnTokenLife),
		}
		return cmp.Or(store.Tokens.Create(tx, t.ID, t), audit(tx, actor, "token.create", "tokens/"+t.ID, nil, t, "", now),
			rememberSecret(tx, "tokens", t.ID, t, secret, now))
	})
	return t, secret, rev, err
}

func newSecret(kind string) string {
	if kind == access.TokenJoin {
		return id.Secret()
	}
	return access.TokenPrefix + id.Secret()
}

// Visitor is where a login came from, as far as that can be told.
type Visitor struct{ Address, Client string }

// OpenSession makes the token of a login.
func (in *Intake) OpenSession(ctx context.Context, u access.User, from Visitor) (t access.Token, secret string, rev int64, err error) {
	now, fresh := in.now(), id.New("tok")
	secret = newSecret(access.TokenSession)
	actor := u.Actor()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		present, err := store.Users.Get(tx, u.ID)
		if err != nil {
			return err
		}
		if present.Disabled || present.PasswordHash != u.PasswordHash {
			return fault.Denied("the user was changed meanwhile; log in again")
		}
		t = access.Token{
			ID: fresh, Kind: access.TokenSession, Name: "login of " + u.Name, Digest: access.Digest(secret), Role: u.Role, User: u.ID,
			Department: u.Department, Customer: u.Customer, Reseller: u.Reseller, CreatedAt: now, CreatedBy: u.Name, ExpiresAt: now.Add(SessionLife),
			Address: from.Address, Client: from.Client, SeenAt: now,
		}
		return cmp.Or(store.Tokens.Create(tx, t.ID, t), audit(tx, actor, "session.open", "tokens/"+t.ID, nil, t, "", now))
	})
	return t, secret, rev, err
}

// RevokeToken ends a token now. Doing it again changes nothing.
func (in *Intake) RevokeToken(ctx context.Context, actor access.Actor, tokID string) (t access.Token, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Tokens.Get(tx, tokID)
		if err != nil {
			return err
		}
		if t = before; t.Revoked {
			return nil
		}
		t.Revoked = true
		return cmp.Or(store.Tokens.Put(tx, tokID, t), audit(tx, actor, "token.revoke", "tokens/"+tokID, before, t, "", now))
	})
	return t, rev, err
}

// ForgetTokens deletes up to most tokens of logins, of programs that renew theirs, and of boots, that ended a day ago or longer,
// and says how many went. Other tokens stay, so that the list tells their story.
func (in *Intake) ForgetTokens(ctx context.Context, most int) (int, error) {
	old := in.now().Add(-24 * time.Hour)
	var gone []*access.Token
	for item := range store.Tokens.Items(in.store.Snapshot()) {
		if t := item.Value; (t.User != "" || t.Kind == access.TokenBoot) && t.ExpiresAt.Before(old) && len(gone) < most {
			gone = append(gone, t)
		}
	}
	for n, t := range gone {
		if err := in.change(ctx, func(tx *store.Tx) error { return cmp.Or(store.Tokens.Delete(tx, t.ID), forgetBoot(tx, t)) }); err != nil {
			return n, err
		}
	}
	return len(gone), nil
}
