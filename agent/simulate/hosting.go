package simulate

import (
	"context"
	"slices"
	"sync"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/fake"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/protocol"
)

// carry lets the agent carry customers' accounts, if it is one of those that do. What its parts remember outlives a start of the machine; the documents do not,
// and are sent again.
func (a *agent) carry(ctx context.Context, o *link.Options) (end func(), err error) {
	if a.number >= a.fleet.opt.Hosting {
		return a.meter(ctx, o, nil), nil
	}
	if a.parts == nil {
		a.parts = fake.Parts()
	}
	node, err := hosting.New(hosting.Options{Parts: a.parts, Layout: part.Standard, Logger: a.fleet.opt.Logger})
	if err != nil {
		return nil, err
	}
	o.Host, o.Capabilities = node, append(slices.Clone(o.Capabilities), protocol.CanHost)
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { node.Run(ctx) })
	metered := a.meter(ctx, o, node)
	return func() {
		metered()
		cancel()
		work.Wait()
	}, nil
}
