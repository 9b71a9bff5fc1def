package part

import (
	"context"

	"github.com/steelyard/steelyard/protocol"
)

// Account is a document with what the node itself decided of it. Home, UID and GID are set by the part "user", which comes first; on the way out, where it comes last, by its Identify.
// They are 0 there when the account never had a user.
type Account struct {
	protocol.HostedAccount
	UID, GID int
	Home     string
	Kept     bool // on the way out: another part could not remove all that it has, so the part "user" must keep name and number (rule X15)
}

// Identifier is what a part is that knows the numbers of accounts: the part "user".
type Identifier interface {
	// Identify sets Home, UID and GID of an account that has a user here, and changes nothing on the node.
	Identify(a *Account) (known bool, err error)
}

// Provision is what a part can do on this node.
type Provision struct {
	Components []protocol.Component
	Switches   map[string]bool // see protocol.Provided
	Shells     []string
}

// Part is one kind of thing that accounts have on a node. Its methods are called one at a time.
type Part interface {
	// Name is what a step of the part is called in protocol.HostedStep.
	Name() string
	// Provide looks what the node has for it. It may start processes; it is asked every few minutes, and after an error.
	Provide(ctx context.Context) Provision
	// Ensure makes the account as its document says: present or suspended. What is only true after a reload is true after Settle.
	Ensure(ctx context.Context, a *Account) error
	// Remove takes away everything of the account. What could not be removed is told; it is tried again with the next call. Nothing found is success.
	Remove(ctx context.Context, a *Account) (left []protocol.Found, err error)
	// Settle makes true what Ensure and Remove left to it. Its error is about all accounts since the last Settle, or is a *Blamed.
	Settle(ctx context.Context) error
}
