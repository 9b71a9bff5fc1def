package intake

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Life of a stored answer, and of a secret in it: who did not see the first answer
// asks again within minutes; after that the token is made anew (rules X9, X10).
const (
	AnswerLife = 24 * time.Hour
	SecretLife = 10 * time.Minute
)

// Answer is what a creating request was answered. It is stored in the commit that
// created the record.
type Answer struct {
	Digest string          `json:"digest"` // of the request
	Table  string          `json:"table"`
	ID     string          `json:"id"`
	Value  json.RawMessage `json:"value"`            // the record as it was created
	Sealed []byte          `json:"sealed,omitempty"` // a secret, encrypted to who holds the caller's own token
	At     time.Time       `json:"at"`
}

var answers = store.NewTable[Answer]("answers", "answer to")

// Once is the Idempotency-Key of a request (rule X10). Key names actor and key,
// Digest the request's content; Seal is a secret of the caller that is not stored.
type Once struct {
	Key    string
	Digest string
	Seal   []byte
}

// ErrAnswered says that the request was answered before; see [Intake.Recall].
var ErrAnswered = errors.New("the request was answered before")

type onceKey struct{}

// WithOnce makes what is created with ctx keep its answer.
func WithOnce(ctx context.Context, o *Once) context.Context {
	return context.WithValue(ctx, onceKey{}, o)
}

// NewOnce makes the Once of an actor's key. callerSecret is the bearer token that
// the request came with.
func NewOnce(actor, key, callerSecret string) *Once {
	name := sha256.Sum256([]byte(actor + "\x00" + key))
	mac := hmac.New(sha256.New, []byte(callerSecret))
	mac.Write([]byte("steelyard answer\x00" + key))
	return &Once{Key: hex.EncodeToString(name[:]), Seal: mac.Sum(nil)}
}

// Remember keeps the answer of a creating request in the commit of tx, if the
// request has an Idempotency-Key. It fails with ErrAnswered when there is one.
func Remember(tx *store.Tx, table, id string, value any, now time.Time) error {
	return remember(tx, table, id, value, now)
}

func remember(tx *store.Tx, table, id string, value any, now time.Time) error {
	return rememberSecret(tx, table, id, value, "", now)
}

// answered fails with ErrAnswered when the request of tx was answered before. It
// comes first in a commit that creates: otherwise a repetition would stumble over
// what the first request made, for example over its name.
func answered(tx *store.Tx, now time.Time) error {
	o, _ := tx.Context().Value(onceKey{}).(*Once)
	if o == nil {
		return nil
	}
	old, known, err := answers.Find(tx, o.Key)
	if err != nil {
		return err
	}
	if known && now.Sub(old.At) < AnswerLife {
		return fault.Conflict("%w", ErrAnswered)
	}
	return nil
}

func rememberSecret(tx *store.Tx, table, id string, value any, secret string, now time.Time) error {
	o, _ := tx.Context().Value(onceKey{}).(*Once)
	if o == nil {
		return nil
	}
	err := answered(tx, now)
	if err != nil {
		return err
	}
	a := Answer{Digest: o.Digest, Table: table, ID: id, At: now}
	if a.Value, err = json.Marshal(value); err != nil {
		return fault.Internal("keep the answer about %s/%s: %w", table, id, err)
	}
	if secret != "" {
		if a.Sealed, err = o.seal(secret); err != nil {
			return err
		}
	}
	return answers.Put(tx, o.Key, a)
}

// Recall finds the stored answer of a request, and the revision it was given at.
// Another content under the same key is invalid.
func (in *Intake) Recall(o *Once) (a Answer, rev int64, found bool, err error) {
	item, ok := answers.Item(in.store.Snapshot(), o.Key)
	if !ok || in.now().Sub(item.Value.At) >= AnswerLife {
		return a, 0, false, nil
	}
	if item.Value.Digest != o.Digest {
		var c fault.Check
		c.Add("header.Idempotency-Key", "was used for another request; take a new one")
		return a, 0, false, c.Err("the request cannot be repeated")
	}
	return *item.Value, item.ModRev, true, nil
}

// Secret opens the secret in an answer. It is refused when its time is over, or to
// another login than the one that made it.
func (in *Intake) Secret(o *Once, a Answer) (string, error) {
	if len(a.Sealed) == 0 {
		return "", nil
	}
	refused := fault.Refused("%s/%s was made, and its secret was shown; it cannot be shown again: delete it and make another one", a.Table, a.ID)
	if in.now().Sub(a.At) > SecretLife {
		return "", refused
	}
	aead, err := o.aead()
	if err != nil {
		return "", err
	}
	if len(a.Sealed) < aead.NonceSize() {
		return "", refused
	}
	text, err := aead.Open(nil, a.Sealed[:aead.NonceSize()], a.Sealed[aead.NonceSize():], nil)
	if err != nil {
		return "", refused
	}
	return string(text), nil
}

func (o *Once) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(o.Seal)
	if err != nil {
		return nil, fault.Internal("seal an answer: %w", err)
	}
	return cipher.NewGCM(block)
}

func (o *Once) seal(secret string) ([]byte, error) {
	aead, err := o.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return aead.Seal(nonce, nonce, []byte(secret), nil), nil
}

// ForgetAnswers deletes up to most answers whose time is over, and says how many.
func (in *Intake) ForgetAnswers(ctx context.Context, most int) (int, error) {
	now := in.now()
	var keys []string
	for item := range answers.Items(in.store.Snapshot()) {
		if now.Sub(item.Value.At) >= AnswerLife && len(keys) < most {
			keys = append(keys, item.ID)
		}
	}
	for n, key := range keys {
		if err := in.change(ctx, func(tx *store.Tx) error { return answers.Delete(tx, key) }); err != nil {
			return n, err
		}
	}
	return len(keys), nil
}
