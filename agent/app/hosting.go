package app

import (
	"context"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/mail"
	"github.com/steelyard/steelyard/agent/hosting/mysql"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/hosting/site"
	"github.com/steelyard/steelyard/agent/hosting/unix"
)

// openHosting makes the node that carries accounts; nil where the agent is not asked to. The end of it is waited for by the caller.
func openHosting(ctx context.Context, o Options) (node *hosting.Node, end func(), err error) {
	if !o.Hosting {
		return nil, func() {}, nil
	}
	databases, err := mysql.New(mysql.Options{Layout: part.Standard})
	if err != nil {
		return nil, nil, err
	}
	limits := quota.New(quota.Options{Layout: part.Standard})
	boxes := mail.New(mail.Options{Layout: part.Standard})
	node, err = hosting.New(hosting.Options{
		Dir: filepath.Join(o.State, "hosted"), Layout: part.Standard, Logger: o.Logger,
		Parts: []part.Part{ // in the order in which an account is made
			unix.New(unix.Options{Layout: part.Standard, Homes: limits.Homes()}),
			limits,
			site.New(site.Options{Layout: part.Standard}),
			boxes,
			databases,
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return node, inBackground(ctx, func(ctx context.Context) {
		defer inBackground(ctx, func(ctx context.Context) { boxes.Scan(ctx, o.Logger) })()
		node.Run(ctx)
	}), nil
}
