package intake

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// putDocument writes what a node shall be told of an account, when it differs from what is stored: the version grows by one. secrets are digests that are new, by
// name; those of logins and mailboxes that the document does not have any more are dropped, all others stay. No version is ever used twice, so
// an account that moves takes its document along.
func putDocument(in *Intake, tx *store.Tx, server string, doc protocol.HostedAccount, secrets map[string]string, now time.Time) error {
	old, known, err := store.Hosted.Find(tx, doc.ID)
	if err != nil {
		return err
	}
	doc = hosting.Fill(doc, nil) // whatever the caller left in it
	doc.Version = old.Account.Version
	names := slices.DeleteFunc(append(slices.Clone(old.Names), slices.Collect(maps.Keys(secrets))...), func(name string) bool {
		return !slices.Contains(hosting.SecretNames(&doc), name)
	})
	slices.Sort(names)
	names = slices.Compact(names)
	if known && len(secrets) == 0 && old.Server == server && slices.Equal(names, old.Names) && alike(doc, old.Account) {
		return nil
	}
	doc.Version++
	next := hosting.Document{Server: server, Account: doc, Names: names, Secrets: old.Secrets, At: now}
	if len(secrets) > 0 || !slices.Equal(names, old.Names) {
		if err := in.sealDocument(tx, &next, secrets); err != nil {
			return err
		}
	}
	return store.Hosted.Put(tx, doc.ID, next)
}

// alike compares documents as they are stored: an empty list is as good as none.
func alike(a, b protocol.HostedAccount) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// sealDocument seals the secrets that the document has names of: the new ones, and those of its old box.
func (in *Intake) sealDocument(tx *store.Tx, d *hosting.Document, fresh map[string]string) error {
	all, err := in.documentSecrets(d)
	if err != nil {
		return err
	}
	maps.Copy(all, fresh)
	maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(d.Names, name) })
	d.Secrets = access.Sealed{}
	if len(all) == 0 {
		return nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fault.Internal("seal the secrets of account %s: %w", d.Account.ID, err)
	}
	return keepSecret(in, tx, seal.HostedSecrets, d.Account.ID, d, logging.Secret(text))
}

// documentSecrets opens the box of a document.
func (in *Intake) documentSecrets(d *hosting.Document) (map[string]string, error) {
	all := map[string]string{}
	if d.Secrets.IsZero() {
		return all, nil
	}
	if in.ring == nil {
		return nil, errNoRing
	}
	text, err := seal.HostedSecrets.Open(in.ring, d.Account.ID, d)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fault.Internal("the secrets of account %s cannot be read", d.Account.ID) // not err: it may quote them
	}
	return all, nil
}

// HostedAccounts implements gateway.Hosting.
func (in *Intake) HostedAccounts(server string) ([]protocol.HostedVersion, bool) {
	if !in.store.Stale().IsZero() {
		return nil, false
	}
	snap := in.store.Snapshot()
	var list []protocol.HostedVersion
	for item := range store.Hosted.Lookup(snap, store.HostedOn, server) {
		v := protocol.HostedVersion{ID: item.ID, Version: item.Value.Account.Version}
		if o, ok := store.HostedResults.In(snap, item.ID); ok && o.Server == server {
			v.Result = o.Digest
		}
		list = append(list, v)
	}
	return list, true
}

// HostedDocument implements gateway.Hosting.
func (in *Intake) HostedDocument(server, account string) (protocol.HostedAccount, error) {
	d, ok := store.Hosted.In(in.store.Snapshot(), account)
	if !ok || d.Server != server {
		return protocol.HostedAccount{}, fault.NotFound("account %s is not on server %s", account, server)
	}
	secrets, err := in.documentSecrets(d)
	if err != nil {
		return protocol.HostedAccount{}, err
	}
	return hosting.Fill(d.Account, secrets), nil
}
