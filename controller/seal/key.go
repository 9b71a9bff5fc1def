package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"time"

	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// Key is a data key as it is stored.
type Key struct {
	ID        string    `json:"id"`
	Wrapped   []byte    `json:"wrapped"` // the key itself, AES-256-GCM under the authority's
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// state of the ring: one small record that all who seal read.
type state struct {
	Current  string   `json:"current"`
	Retiring []string `json:"retiring,omitempty"` // a rotation is under way
}

// Keys are the data keys. Their ids are those in [access.Sealed].
var Keys = store.NewTable[Key]("seal-keys", "data key")

var states = store.NewTable[state]("seal-ring", "ring of data keys")

// ring is the id of the one state.
const ring = "ring"

// keyBytes is the size of a data key and of the key that wraps it: AES-256.
const keyBytes = 32

// newAEAD is AES-256-GCM that makes its own nonce of 96 random bits and puts it in
// front. One key is good for 2³² boxes (NIST SP 800-38D, section 8.3).
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.Internal("prepare a data key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fault.Internal("prepare a data key: %w", err)
	}
	return aead, nil
}

// newKey makes a data key and wraps it.
func (r *Ring) newKey(actor string, now time.Time) Key {
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	k := Key{ID: id.At("key", now), CreatedAt: now, CreatedBy: actor}
	k.Wrapped = r.wrap.Seal(nil, nil, raw, []byte(Keys.Name()+"/"+k.ID))
	return k
}

// opened is the cipher of a data key. It is kept: unwrapping is done once.
func (r *Ring) opened(k Key) (cipher.AEAD, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if aead := r.known[k.ID]; aead != nil {
		return aead, nil
	}
	raw, err := r.wrap.Open(nil, nil, k.Wrapped, []byte(Keys.Name()+"/"+k.ID))
	if err != nil {
		return nil, fault.Unavailable("data key %s was made with another fleet authority than this controller has; put the fleet's own authority file in its place, "+
			"or, if it is lost, run: steelyard secret rotate, and give all passwords again", k.ID)
	}
	aead, err := newAEAD(raw)
	if err == nil {
		r.known[k.ID] = aead
	}
	return aead, err
}
