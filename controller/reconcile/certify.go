package reconcile

import (
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/version"
)

// certify signs what an erase has come to, a certificate for each disk that it touched.
func (t *turn) certify(f *fleet.Facts) error {
	c := erase.Case{
		Operation: t.op.ID, RequestedBy: t.op.RequestedBy, Inventory: &f.Inventory,
		Server:       erase.Machine{ID: t.server.ID, Name: t.server.Name, Identity: t.server.Identity},
		AgentVersion: f.AgentVersion, ControllerVersion: version.Version, Now: t.now,
	}
	for _, e := range t.result.Erasures {
		if !erase.Touched(e) {
			continue
		}
		kept, err := erase.Certify(id.At("ers", t.now), c, e, t.r.signer.Sign)
		if err != nil {
			return err
		}
		if err := store.Erasures.Create(t.tx, kept.ID, kept); err != nil {
			return err
		}
	}
	return nil
}
