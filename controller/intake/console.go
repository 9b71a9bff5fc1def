package intake

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// ConsoleVisit is what the audit log keeps of a console: never what was typed or shown.
type ConsoleVisit struct {
	Console  string `json:"console"`
	From     string `json:"from"` // address of the person's machine
	Seconds  int64  `json:"seconds,omitempty"`
	BytesIn  uint64 `json:"bytes_in,omitempty"`  // typed
	BytesOut uint64 `json:"bytes_out,omitempty"` // shown
	Ended    string `json:"ended,omitempty"`     // why
}

// OpenConsole writes down that somebody is about to get a shell on a server, and names the console. Faults: invalid without
// a reason, refused where no console is given.
func (in *Intake) OpenConsole(ctx context.Context, actor access.Actor, serverID, from, reason string) (console string, err error) {
	if err := needReason(reason, "say what you look for"); err != nil {
		return "", err
	}
	now := in.now()
	console = id.New("con")
	_, err = in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		if err := fleet.MayConsole(s); err != nil {
			return err
		}
		return audit(tx, actor, "console.open", "servers/"+serverID, nil, &ConsoleVisit{Console: console, From: from}, reason, now)
	})
	return console, err
}

// CloseConsole writes down how a console ended.
func (in *Intake) CloseConsole(ctx context.Context, actor access.Actor, serverID string, v ConsoleVisit, reason string) error {
	now := in.now()
	_, err := in.store.Change(ctx, func(tx *store.Tx) error {
		return audit(tx, actor, "console.close", "servers/"+serverID, nil, &v, reason, now)
	})
	return err
}
