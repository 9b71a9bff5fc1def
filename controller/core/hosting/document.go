package hosting

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/protocol"
)

// Document is what a node is told of one account, by account: what shall be, whatever the node knows. It is written in the commit that changes anything it says, and removed when the
// node has said that nothing of the account is left.
type Document struct {
	Server  string                 `json:"server"`
	Account protocol.HostedAccount `json:"account"`          // without secrets
	Names   []string               `json:"names,omitempty"`  // of the secrets, sorted; see SecretOf…
	Secrets access.Sealed          `json:"secrets,omitzero"` // JSON object: digests of passwords by name
	At      time.Time              `json:"at"`               // of the newest version
}

// Names of the secrets in a document.
const (
	SecretPassword = "password" // of system, console and first FTP login: sha512-crypt
	SecretDatabase = "database" // of the database user: mysql_native_password
)

// SecretOfLogin is the name of a further FTP login's secret.
func SecretOfLogin(name string) string { return "ftp:" + name }

// SecretOfMailbox is the name of a mailbox's secret.
func SecretOfMailbox(address string) string { return "mailbox:" + address }

// SecretNames are those that a document may have. What it has beyond them belongs to what is gone.
func SecretNames(a *protocol.HostedAccount) []string {
	list := []string{SecretPassword, SecretDatabase}
	for i := range a.FTPLogins {
		list = append(list, SecretOfLogin(a.FTPLogins[i].Name))
	}
	for i := range a.Mailboxes {
		list = append(list, SecretOfMailbox(a.Mailboxes[i].Address))
	}
	return list
}

// Fill puts secrets into the document that a node is sent.
func Fill(a protocol.HostedAccount, secrets map[string]string) protocol.HostedAccount {
	a.Password, a.DatabasePassword = secrets[SecretPassword], secrets[SecretDatabase]
	a.FTPLogins, a.Mailboxes = slices.Clone(a.FTPLogins), slices.Clone(a.Mailboxes)
	for i := range a.FTPLogins {
		a.FTPLogins[i].Password = secrets[SecretOfLogin(a.FTPLogins[i].Name)]
	}
	for i := range a.Mailboxes {
		a.Mailboxes[i].Password = secrets[SecretOfMailbox(a.Mailboxes[i].Address)]
	}
	return a
}

// Outcome is what a node said last of an account, by account.
type Outcome struct {
	Server string                `json:"server"`
	Result protocol.HostedResult `json:"result"`
	Digest string                `json:"digest"` // of Result
	At     time.Time             `json:"at"`     // when it became so
}

// Done reports whether the node has made a version of the document true.
func (o *Outcome) Done(version uint64) bool {
	return o.Result.State == protocol.HostedDone && o.Result.Version >= version
}

// Provision is what a node can do for accounts, by server.
type Provision struct {
	protocol.Provided
	Strangers []string  `json:"strangers,omitempty"` // accounts that are on the node, and that nobody knows; left alone
	At        time.Time `json:"at"`                  // since when it is so
}
