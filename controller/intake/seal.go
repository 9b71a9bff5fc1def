package intake

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

var errNoRing = fault.Unavailable("this controller has no authority to seal secrets with")

// RequestDigest is what is stored of a request to recognise it again. A request may hold a password, so its
// plain digest would let guesses be tried against it (rule X9).
func (in *Intake) RequestDigest(plain string) string {
	if in.ring == nil {
		return plain
	}
	return in.ring.Digest([]byte(plain))
}

// RotateSecrets makes a new data key; all secrets are then sealed anew by
// [Intake.RunRotation], and the old key is removed. While that is under way, asking again
// changes nothing.
func (in *Intake) RotateSecrets(ctx context.Context, actor access.Actor) (rev int64, err error) {
	if in.ring == nil {
		return 0, errNoRing
	}
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		k, begun, err := in.ring.Begin(tx, actor, now)
		if err != nil || !begun {
			return err
		}
		return audit(tx, actor, "secret.rotate", seal.Keys.Name()+"/"+k.ID, nil, k, "", now)
	})
}

// RunRotation finishes rotations until ctx ends. The leader runs it.
func (in *Intake) RunRotation(ctx context.Context) error {
	if in.ring == nil {
		return errNoRing
	}
	return in.ring.Run(ctx, in.log, func(tx *store.Tx, k seal.Key) error {
		return audit(tx, access.System, "secret.key_remove", seal.Keys.Name()+"/"+k.ID, k, nil, "nothing is sealed with it any more", in.now())
	})
}

// SecretKeys tells the data keys, oldest first.
func (in *Intake) SecretKeys() ([]seal.Standing, error) {
	if in.ring == nil {
		return nil, errNoRing
	}
	return in.ring.List(), nil
}

// keepSecret seals a secret into a record, or leaves what is there when none is given.
func keepSecret[T any](in *Intake, tx *store.Tx, f seal.Secret[T], id string, record *T, secret logging.Secret) error {
	switch {
	case secret == "":
		return nil
	case in.ring == nil:
		return errNoRing
	}
	return f.Set(tx, in.ring, id, record, secret)
}
