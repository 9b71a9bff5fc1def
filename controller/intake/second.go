package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// EnrolSecondFactor makes the secret of a user's second factor and returns it, this once. It is in use when a first code
// of it was shown; until then it can be made anew.
func (in *Intake) EnrolSecondFactor(ctx context.Context, userID string) (secret []byte, err error) {
	now := in.now()
	secret = make([]byte, access.CodeSecret)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the process instead
	return secret, in.change(ctx, func(tx *store.Tx) error {
		u, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		if u.SecondFactor {
			return fault.Refused("there is a second factor already; disable it first, with a code: steelyard user second-factor disable")
		}
		f := access.SecondFactor{CreatedAt: now}
		if err := keepSecret(in, tx, seal.SecondFactorSecret, userID, &f, logging.Secret(secret)); err != nil {
			return err
		}
		return store.SecondFactors.Put(tx, userID, f)
	})
}

// ConfirmSecondFactor puts it into use, and returns the recovery codes, of which only digests are kept (rule X9).
func (in *Intake) ConfirmSecondFactor(ctx context.Context, userID, code string) (recovery []string, err error) {
	now := in.now()
	recovery = recoveryCodes()
	ok, err := in.tryCode(ctx, userID, code, now, func(tx *store.Tx, u access.User, f access.SecondFactor) error {
		if u.SecondFactor {
			return fault.Refused("the second factor is in use already")
		}
		f.Confirmed, f.Recovery = now, digests(recovery)
		before := u
		u.SecondFactor = true
		return cmp.Or(store.SecondFactors.Put(tx, userID, f), store.Users.Put(tx, userID, u),
			audit(tx, u.Actor(), "user.second_factor", "users/"+userID, before, u, "", now))
	})
	if err != nil || !ok {
		return nil, cmp.Or[error](err, wrongCode())
	}
	return recovery, nil
}

// RenewRecoveryCodes makes new ones with a code of the second factor, or one of those that are left: all former ones end.
func (in *Intake) RenewRecoveryCodes(ctx context.Context, userID, code string) (recovery []string, err error) {
	now := in.now()
	recovery = recoveryCodes()
	ok, err := in.tryCode(ctx, userID, code, now, func(tx *store.Tx, u access.User, f access.SecondFactor) error {
		if !u.SecondFactor {
			return fault.Refused("the second factor is not in use yet; show its first code: steelyard user second-factor confirm")
		}
		f.Recovery = digests(recovery)
		return cmp.Or(store.SecondFactors.Put(tx, userID, f), audit(tx, u.Actor(), "user.recovery_codes", "users/"+userID, nil, nil, "all former ones ended", now))
	})
	if err != nil || !ok {
		return nil, cmp.Or[error](err, wrongCode())
	}
	return recovery, nil
}

// digests are what is kept of recovery codes.
func digests(codes []string) (list []string) {
	for _, c := range codes {
		list = append(list, access.RecoveryDigest(c))
	}
	return list
}

func wrongCode() error {
	return fault.Denied("the code is wrong, or was used already; wait for the next one, and see that the clock of your device is right")
}

// UseSecondFactor takes a code, or a recovery code, for a login: each once.
func (in *Intake) UseSecondFactor(ctx context.Context, userID, code string) (ok bool, err error) {
	now := in.now()
	return in.tryCode(ctx, userID, code, now, func(tx *store.Tx, u access.User, f access.SecondFactor) error {
		if before, err := store.SecondFactors.Get(tx, userID); err != nil || len(before.Recovery) == len(f.Recovery) {
			return cmp.Or(err, store.SecondFactors.Put(tx, userID, f))
		}
		return cmp.Or(store.SecondFactors.Put(tx, userID, f),
			audit(tx, u.Actor(), "user.recovery_code", "users/"+userID, nil, nil, strconv.Itoa(len(f.Recovery))+" are left", now))
	})
}

// DisableOwnSecondFactor ends it with a code of it.
func (in *Intake) DisableOwnSecondFactor(ctx context.Context, userID, code string) error {
	now := in.now()
	ok, err := in.tryCode(ctx, userID, code, now, func(tx *store.Tx, u access.User, _ access.SecondFactor) error {
		return dropSecondFactor(tx, u.Actor(), u, "", now)
	})
	if err == nil && !ok {
		err = wrongCode()
	}
	return err
}

// DisableSecondFactor ends that of another user, who lost it.
func (in *Intake) DisableSecondFactor(ctx context.Context, actor access.Actor, userID, reason string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		u, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		if u.Name == actor.Name {
			return fault.Refused("your own second factor is disabled with a code of it: steelyard user second-factor disable")
		}
		return dropSecondFactor(tx, actor, u, reason, now)
	})
}

func dropSecondFactor(tx *store.Tx, actor access.Actor, u access.User, reason string, now time.Time) error {
	if !u.SecondFactor {
		return store.SecondFactors.Delete(tx, u.ID)
	}
	before := u
	u.SecondFactor = false
	return cmp.Or(store.SecondFactors.Delete(tx, u.ID), store.Users.Put(tx, u.ID, u),
		audit(tx, actor, "user.second_factor", "users/"+u.ID, before, u, reason, now))
}

// tryCode looks at a code and keeps how that went; then, only if the code is right, does the rest in the same commit.
// A fault of kind refused says that no code is looked at for now.
func (in *Intake) tryCode(ctx context.Context, userID, code string, now time.Time, then func(*store.Tx, access.User, access.SecondFactor) error) (ok bool, err error) {
	err = in.change(ctx, func(tx *store.Tx) error {
		ok = false
		u, err := store.Users.Get(tx, userID)
		if err != nil {
			return err
		}
		f, known, err := store.SecondFactors.Find(tx, userID)
		if err != nil {
			return err
		}
		if !known || in.ring == nil {
			return fault.Refused("there is no second factor; begin with: steelyard user second-factor enrol")
		}
		secret, err := seal.SecondFactorSecret.Open(in.ring, userID, &f)
		if err != nil {
			return err
		}
		after, right, wait := f.Try([]byte(secret), code, now)
		if wait > 0 {
			return fault.Refused("too many codes were wrong; wait %d s, or use a recovery code", int(math.Ceil(wait.Seconds())))
		}
		if !right {
			return store.SecondFactors.Put(tx, userID, after)
		}
		ok = true
		return then(tx, u, after)
	})
	return ok && err == nil, err
}

// recoveryCodes are each 80 random bits, in groups that a person can type.
func recoveryCodes() (list []string) {
	for range access.RecoveryCodes {
		var b [10]byte
		_, _ = rand.Read(b[:]) // never fails
		text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
		list = append(list, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:])
	}
	return list
}

// RequiresSecondFactor reports whether the fleet wants one of a user before anything else, as this replica knows it.
func (in *Intake) RequiresSecondFactor(u access.User) bool {
	s, ok := store.Settings.View(in.store, store.FleetSettings)
	return ok && s.RequireSecondFactor && !u.SecondFactor && u.Issuer == "" && u.Role.IsStaff()
}
