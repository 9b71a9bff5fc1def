package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// HandOverLife is how long the code of a login through a provider waits to be exchanged.
const HandOverLife = time.Minute

// ProviderDraft is what a person says of the provider. The secret is nil when it is not said; then it stays, unless
// the issuer or the client changes.
type ProviderDraft struct {
	Issuer      string             `json:"issuer" doc:"Address of the provider, https; empty: nobody logs in so."`
	ClientID    string             `json:"client_id,omitempty"`
	Secret      *string            `json:"client_secret,omitempty" doc:"Kept sealed and never shown. Left out: stays as it is, while issuer and client_id do."`
	Scopes      []string           `json:"scopes,omitempty" doc:"Asked for beside openid, for example profile, email, groups."`
	GroupsClaim string             `json:"groups_claim,omitempty" doc:"Where the provider tells the groups of a person; most say groups."`
	Groups      []access.GroupRole `json:"groups,omitempty" doc:"What the people of a group may do; the first that a person is in counts."`
}

// Check records all fields that are wrong; before is the present provider.
func (d ProviderDraft) Check(c *fault.Check, before access.Provider) {
	same := d.Issuer == before.Issuer && d.ClientID == before.ClientID
	secret := d.Secret != nil && *d.Secret != "" || d.Secret == nil && same && !before.Secret.IsZero()
	d.provider().Check(c, secret)
}

func (d ProviderDraft) provider() access.Provider {
	return access.Provider{Issuer: d.Issuer, ClientID: d.ClientID, Scopes: d.Scopes, GroupsClaim: d.GroupsClaim, Groups: d.Groups}
}

// SetProvider replaces the provider of the fleet.
func (in *Intake) SetProvider(ctx context.Context, actor access.Actor, d ProviderDraft) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		before, _, err := store.Providers.Find(tx, store.TheProvider)
		if err != nil {
			return err
		}
		if err := checked(tx, "the provider cannot be set", func(c *fault.Check, _ Lookup) { d.Check(c, before) }); err != nil {
			return err
		}
		p := d.provider()
		if d.Secret == nil && d.Issuer != "" {
			p.Secret = before.Secret
		} else if d.Secret != nil {
			if err := keepSecret(in, tx, seal.ProviderSecret, store.TheProvider, &p, logging.Secret(*d.Secret)); err != nil {
				return err
			}
		}
		return cmp.Or(store.Providers.Put(tx, store.TheProvider, p),
			audit(tx, actor, "provider.set", "provider/"+store.TheProvider, before, p, "", now))
	})
}

// Provider is the provider and its client secret, as this replica knows it. Refused when there is none.
func (in *Intake) Provider() (p access.Provider, secret logging.Secret, publicURL string, err error) {
	snap := in.store.Snapshot()
	kept, ok := store.Providers.In(snap, store.TheProvider)
	if !ok || kept.Issuer == "" || in.ring == nil {
		return p, "", "", fault.Refused("nobody logs in through a provider here; log in with a password")
	}
	s, ok := store.Settings.In(snap, store.FleetSettings)
	if !ok || s.PublicURL == "" {
		return p, "", "", fault.Refused("the provider does not know where to send people back to; an administrator sets it: steelyard settings --public-url")
	}
	secret, err = seal.ProviderSecret.Open(in.ring, store.TheProvider, kept)
	return *kept, secret, strings.TrimRight(s.PublicURL, "/"), err
}

// Keyed is a text that only this fleet can make from another: what belongs to a login is derived from its state and
// need not be kept.
func (in *Intake) Keyed(purpose, text string) string {
	return in.ring.Digest([]byte("oidc " + purpose + "\x00" + text))
}

// EnterByProvider finds or makes the user of an identity, gives him the role of his groups, and returns a code that is
// exchanged for a login by who knows what challenge was made of (RFC 7636, S256). He is known by issuer and subject alone:
// a user with the same name or address is somebody else. Without a group that has a role he is denied, and his
// open logins end.
func (in *Intake) EnterByProvider(ctx context.Context, p access.Provider, who access.Identity, challenge string) (code string, err error) {
	now, fresh, tokID := in.now(), id.New("usr"), id.New("tok")
	code = "syh_" + id.Secret()
	var denied error
	err = in.change(ctx, func(tx *store.Tx) error {
		denied = nil
		u, known, err := userOf(tx, who)
		if err != nil {
			return err
		}
		role, may := p.RoleOf(who.Groups)
		switch {
		case !may && !known:
			denied = fault.Denied("none of your groups has a role here; ask an administrator of the fleet")
			return nil
		case !may:
			denied = fault.Denied("none of your groups has a role here any more; ask an administrator of the fleet")
			before := u
			u.PasswordAt = now // ends what is open
			return cmp.Or(store.Users.Put(tx, u.ID, u), audit(tx, u.Actor(), "user.no_group", "users/"+u.ID, before, u, "", now))
		case u.Disabled:
			denied = fault.Denied("you are kept out of this fleet; ask an administrator")
			return nil
		}
		if !known {
			if u, err = newProviderUser(tx, fresh, who, now); err != nil {
				return err
			}
		}
		before := u
		u.Role, u.Department = role.Role, role.Department
		if notify.IsAddress(who.Email) {
			u.Email = who.Email
		}
		t := access.Token{
			ID: tokID, Kind: access.TokenHandOver, Name: "login of " + u.Name + " through the provider", Digest: access.Digest(code), User: u.ID,
			Challenge: challenge, CreatedAt: now, CreatedBy: u.Name, ExpiresAt: now.Add(HandOverLife),
		}
		if err := store.Tokens.Create(tx, t.ID, t); err != nil {
			return err
		}
		if known && before.Role == u.Role && before.Department == u.Department && before.Email == u.Email {
			return nil
		}
		return cmp.Or(store.Users.Put(tx, u.ID, u), audit(tx, u.Actor(), "user.provider", "users/"+u.ID, before, u, "", now))
	})
	return code, cmp.Or(err, denied)
}

// userOf finds the user of an identity.
func userOf(tx *store.Tx, who access.Identity) (u access.User, ok bool, err error) {
	held, ok, err := subjects.Find(tx, subjectKey(who))
	if err != nil || !ok {
		return u, false, err
	}
	return store.Users.Find(tx, held.ID)
}

var subjects = store.NewTable[nameHolder]("subjects", "user of subject")

func subjectKey(who access.Identity) string {
	sum := sha256.Sum256([]byte(who.Issuer + "\x00" + who.Subject))
	return hex.EncodeToString(sum[:])
}

// newProviderUser makes a user who has no password. A name that is taken gets a mark.
func newProviderUser(tx *store.Tx, fresh string, who access.Identity, now time.Time) (access.User, error) {
	name := cmp.Or(who.Name, who.Email, who.Subject)
	var c fault.Check
	if order.CheckName(&c, "name", name); c.Err("") != nil {
		name = fresh
	}
	if _, taken, err := names.Find(tx, nameKey("users", name)); err != nil {
		return access.User{}, err
	} else if taken {
		name = fresh
	}
	u := access.User{ID: fresh, Name: name, Issuer: who.Issuer, Subject: who.Subject, CreatedAt: now}
	return u, cmp.Or(store.Users.Create(tx, u.ID, u), rename(tx, "users", "", u.Name, u.ID), subjects.Put(tx, subjectKey(who), nameHolder{u.ID}),
		audit(tx, access.System, "user.create", "users/"+u.ID, nil, u, "first login through the provider", now))
}

// RedeemLogin takes the code of a login, once, from who knows the verifier.
func (in *Intake) RedeemLogin(ctx context.Context, code, verifier string) (u access.User, err error) {
	now, digest := in.now(), access.Digest(code)
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	gone := fault.Denied("this login has been used, or its time is over; log in again")
	tokID := ""
	for i := range store.Tokens.Items(in.store.Snapshot()) {
		if t := i.Value; t.Kind == access.TokenHandOver && access.SameDigest(t.Digest, digest) {
			tokID = t.ID
		}
	}
	if tokID == "" {
		return u, gone
	}
	err = in.change(ctx, func(tx *store.Tx) error {
		t, ok, err := store.Tokens.Find(tx, tokID)
		if err != nil {
			return err
		}
		if !ok || t.Revoked || !now.Before(t.ExpiresAt) || !access.SameDigest(t.Challenge, challenge) {
			return gone
		}
		if u, err = store.Users.Get(tx, t.User); err != nil {
			return err
		}
		t.Revoked = true
		return store.Tokens.Put(tx, t.ID, t)
	})
	return u, err
}
