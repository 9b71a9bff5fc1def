package hosting

import (
	"testing"
	"testing/synctest"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

func TestX15_ThePartOfNamesHearsThatAnotherPartLeftSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		var kept []bool
		b.parts[0].Before = func(deed string, a *part.Account) error {
			if deed == "remove" {
				kept = append(kept, a.Kept)
			}
			return nil
		}
		b.parts[2].Leaves = func(*part.Account) []protocol.Found { return []protocol.Found{{Name: "/srv/mail/example.org"}} }
		b.set(document("acc-1", 1, protocol.HostedPresent))
		b.set(document("acc-1", 2, protocol.HostedGone))
		b.hear()
		b.parts[2].Leaves = nil
		b.set(document("acc-1", 3, protocol.HostedGone))
		b.hear()
		if len(kept) != 2 || !kept[0] || kept[1] {
			t.Errorf("the part user was told %v", kept)
		}
	})
}
