package app

import (
	"context"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/ftp"
	"github.com/steelyard/steelyard/agent/hosting/mail"
	"github.com/steelyard/steelyard/agent/hosting/mysql"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/hosting/site"
	"github.com/steelyard/steelyard/agent/hosting/unix"
)

// openHosting makes the node that carries accounts; nil where the agent is not asked to. The caller calls end, which waits until the node rests.
func openHosting(ctx context.Context, o Options) (node *hosting.Node, end func(), err error) {
	if !o.Hosting {
		return nil, func() {}, nil
	}
	l := part.Standard
	databases, err := mysql.New(mysql.Options{Layout: l})
	if err != nil {
		return nil, nil, err
	}
	limits, boxes := quota.New(quota.Options{Layout: l}), mail.New(mail.Options{Layout: l})
	node, err = hosting.New(hosting.Options{
		Dir: filepath.Join(o.State, "hosted"), Layout: l, Logger: o.Logger,
		Parts: []part.Part{ // in the order in which an account is made: the user comes first, and owns what the others make
			unix.New(unix.Options{Layout: l, Homes: limits.Homes()}), limits,
			site.New(site.Options{Layout: l}), ftp.New(ftp.Options{Layout: l}), boxes, databases,
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
