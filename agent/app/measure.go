package app

import (
	"context"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/meter/report"
	"github.com/steelyard/steelyard/agent/meter/storage"
	"github.com/steelyard/steelyard/protocol"
)

// measure measures what accounts take of the disk until ctx ends.
func measure(ctx context.Context, o Options, l part.Layout, node *hosting.Node, tell *report.Reporter) {
	limits := quota.New(quota.Options{Layout: l}) // one of its own: a part is used by one goroutine
	storage.New(storage.Options{
		Layout: l, Used: limits.Used, Stored: tell.Stored, Deleted: tell.Deleted, Logger: o.Logger,
		Accounts: func() (list []storage.Account) {
			node.Each(func(d *protocol.HostedAccount) {
				if d.State != protocol.HostedGone {
					list = append(list, storage.Of(d))
				}
			})
			return list
		},
	}).Run(ctx)
}
