package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// MaxSecret bounds one secret, in bytes. The largest is what a customer writes for cloud-init.
const MaxSecret = 16 << 10

// Authority gives the key that wraps data keys; package authority has one.
type Authority interface {
	Derive(label string, n int) ([]byte, error)
}

// Ring seals and opens secrets of one store.
type Ring struct {
	store *store.Store
	wrap  cipher.AEAD
	mac   []byte

	mu    sync.Mutex
	known map[string]cipher.AEAD // data keys by id
}

// Open makes a ring. It reads and writes nothing: the first secret makes the first
// data key.
func Open(s *store.Store, a Authority) (*Ring, error) {
	raw, err := a.Derive("key of data keys, 1", keyBytes)
	if err != nil {
		return nil, err
	}
	wrap, err := newAEAD(raw)
	if err != nil {
		return nil, err
	}
	mac, err := a.Derive("digests, 1", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Ring{store: s, wrap: wrap, mac: mac, known: map[string]cipher.AEAD{}}, nil
}

// Digest is a digest (HMAC-SHA-256, hexadecimal) of what may hold a secret that can be guessed: it
// can be stored, because without the authority nobody can try guesses against it.
func (r *Ring) Digest(text []byte) string {
	h := hmac.New(sha256.New, r.mac)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// Object is the place of a secret, to which its box is bound: "bmcs/<id>/password".
func Object(table, id, field string) string { return table + "/" + id + "/" + field }

// Seal encrypts a secret for object with the current data key, as tx sees it. The fault
// is unavailable when this controller has another authority than the fleet.
func (r *Ring) Seal(tx *store.Tx, object string, secret []byte) (access.Sealed, error) {
	if len(secret) == 0 || len(secret) > MaxSecret {
		return access.Sealed{}, fault.Invalid("the secret of %s has %d bytes; 1 to %d can be kept", object, len(secret), MaxSecret)
	}
	k, err := r.current(tx)
	if err != nil {
		return access.Sealed{}, err
	}
	aead, err := r.opened(k)
	if err != nil {
		return access.Sealed{}, err
	}
	return access.Sealed{Key: k.ID, Box: aead.Seal(nil, nil, secret, []byte(object))}, nil
}

// current is the data key to seal with; the first one is made here.
func (r *Ring) current(tx *store.Tx) (Key, error) {
	st, ok, err := states.Find(tx, ring)
	if err != nil {
		return Key{}, err
	}
	if ok {
		return Keys.Get(tx, st.Current)
	}
	k := r.newKey(access.System.Name, time.Now().UTC())
	if err := Keys.Create(tx, k.ID, k); err != nil {
		return k, err
	}
	return k, states.Create(tx, ring, state{Current: k.ID})
}

// Unseal decrypts a box that was sealed for object. Faults: refused when it was made for
// another place or was changed; unavailable when its data key is gone (it was
// sealed anew: read the record again), or when this controller has another
// authority than the fleet; not found when there is no secret.
func (r *Ring) Unseal(object string, box access.Sealed) ([]byte, error) {
	if box.IsZero() {
		return nil, fault.NotFound("%s is not set", object)
	}
	aead, err := r.keyOf(box)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, nil, box.Box, []byte(object))
	if err != nil {
		return nil, fault.Refused("the secret in %s was not sealed for it, or was changed; give it again", object)
	}
	return secret, nil
}

func (r *Ring) keyOf(box access.Sealed) (cipher.AEAD, error) {
	r.mu.Lock()
	aead := r.known[box.Key]
	r.mu.Unlock()
	if aead != nil {
		return aead, nil
	}
	k, ok := Keys.View(r.store, box.Key)
	if !ok {
		return nil, fault.Unavailable("data key %.40q is not here; the secret was sealed anew meanwhile, or this replica is behind: try again", box.Key)
	}
	return r.opened(*k)
}
