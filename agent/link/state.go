package link

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Record is what an agent must not lose. The private key never leaves the machine.
type Record struct {
	InstanceID  string `json:"instance_id"` // random, made once
	Key         []byte `json:"key"`         // PKCS#8, DER
	ServerID    string `json:"server_id,omitempty"`
	Certificate []byte `json:"certificate,omitempty"` // X.509, DER; of Key
	Authority   []byte `json:"authority,omitempty"`   // X.509, DER; who controllers must be signed by
	SigningKey  []byte `json:"signing_key,omitempty"` // Ed25519, of permits and images
}

// State keeps a Record. Save replaces it as a whole or not at all, so that a key
// and its certificate always belong together.
type State interface {
	Load() (Record, bool, error)
	Save(Record) error
}

// Dir keeps the record in a file of a directory, both readable by their owner
// only. The directory is made when it is missing.
type Dir string

// StateFile is the name of the record in its directory.
const StateFile = "identity.json"

// Load reads the record; false means that there is none yet.
func (d Dir) Load() (Record, bool, error) {
	var r Record
	path := filepath.Join(string(d), StateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fault.Unavailable("read the agent's identity: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, false, fault.Internal("the agent's identity in %s is damaged (%v); move it away and join again with a new token", path, err)
	}
	return r, true, nil
}

// Save writes the record beside the old one, syncs it and renames it.
func (d Dir) Save(r Record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fault.Internal("encode the agent's identity: %w", err)
	}
	if err := replaceFile(string(d), StateFile, text); err != nil {
		return fault.Unavailable("keep the agent's identity in %s: %w", string(d), err)
	}
	return nil
}

// replaceFile replaces one file of a directory atomically, through a crash too.
func replaceFile(dir, name string, text []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, name+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Memory keeps the record as long as the process lives: simulated agents and tests.
// The zero value is ready.
type Memory struct {
	mu  sync.Mutex
	rec Record
	has bool
}

// Load returns what was saved last.
func (m *Memory) Load() (Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rec.clone(), m.has, nil
}

// Save keeps r.
func (m *Memory) Save(r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rec, m.has = r.clone(), true
	return nil
}

func (r Record) clone() Record {
	r.Key = bytes.Clone(r.Key)
	r.Certificate = bytes.Clone(r.Certificate)
	r.Authority = bytes.Clone(r.Authority)
	r.SigningKey = bytes.Clone(r.SigningKey)
	return r
}
