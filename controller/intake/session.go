package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// SeenCoarse is how exactly it is known when a session was used last: a commit for each request would be too many.
const SeenCoarse = time.Hour

// SawSession notes that a session is in use.
func (in *Intake) SawSession(ctx context.Context, tokID string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		t, ok, err := store.Tokens.Find(tx, tokID)
		if err != nil || !ok || t.Revoked || now.Sub(t.SeenAt) < SeenCoarse {
			return err
		}
		t.SeenAt = now
		return store.Tokens.Put(tx, t.ID, t)
	})
}

// SessionsOf are the logins of a user that are open, and the tokens that he made for programs; the newest first. This
// replica may not know of one that was opened a moment ago.
func (in *Intake) SessionsOf(userID string) (list []access.Token) {
	snap, now := in.store.Snapshot(), in.now()
	u, ok := store.Users.In(snap, userID)
	if !ok {
		return nil
	}
	for i := range store.Tokens.Items(snap) {
		t := i.Value
		kind := t.Kind == access.TokenSession || t.Kind == access.TokenProgram
		if kind && t.User == userID && !t.Revoked && now.Before(t.ExpiresAt) && !t.CreatedAt.Before(u.PasswordAt) {
			list = append(list, *t)
		}
	}
	slices.SortFunc(list, func(a, b access.Token) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return list
}

// EndSession ends one of the user's own logins. That of somebody else is answered like one that is not there.
func (in *Intake) EndSession(ctx context.Context, actor access.Actor, userID, tokID string) error {
	if !slices.ContainsFunc(in.SessionsOf(userID), func(t access.Token) bool { return t.ID == tokID }) {
		return fault.NotFound("session %.80q does not exist", tokID)
	}
	_, _, err := in.RevokeToken(ctx, actor, tokID)
	return err
}
