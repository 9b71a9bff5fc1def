package app

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/ftp"
	"github.com/steelyard/steelyard/agent/hosting/mail"
	"github.com/steelyard/steelyard/agent/hosting/mysql"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/hosting/site"
	"github.com/steelyard/steelyard/agent/hosting/unix"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/ports"
	"github.com/steelyard/steelyard/agent/meter/report"
	"github.com/steelyard/steelyard/agent/meter/rounds"
)

// openHosting makes the node that carries accounts; nil where the agent is not asked to. The caller calls end, which waits until the node rests.
func openHosting(ctx context.Context, o Options, counted *ports.Book) (node *hosting.Node, tell *report.Reporter, end func(), err error) {
	var count *rounds.Rounds
	if !o.Hosting {
		return nil, nil, func() {}, nil
	}
	l := part.Standard
	databases, err := mysql.New(mysql.Options{Layout: l})
	if err != nil {
		return nil, nil, nil, err
	}
	limits, boxes := quota.New(quota.Options{Layout: l}), mail.New(mail.Options{Layout: l})
	count, err = rounds.Open(rounds.Options{
		Dir: filepath.Join(o.State, "meter"), Logger: o.Logger, Ports: counted,
		Logs: meter.Options{WWW: filepath.Join(l.Logs, "traffic.log"), FTP: filepath.Join(l.Logs, "ftp.log"), SMTP: filepath.Join(l.Logs, "postfix.log"), IMAP: filepath.Join(l.Logs, "dovecot.log")},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	node, err = hosting.New(hosting.Options{
		Before: count.Before,
		Dir:    filepath.Join(o.State, "hosted"), Layout: l, Logger: o.Logger,
		Parts: []part.Part{ // in the order in which an account is made: the user comes first, and owns what the others make
			unix.New(unix.Options{Layout: l, Homes: limits.Homes()}), limits,
			site.New(site.Options{Layout: l}), ftp.New(ftp.Options{Layout: l}), boxes, databases,
		},
	})
	if err != nil {
		return nil, nil, nil, errors.Join(err, count.Close())
	}
	return node, count.Reporter(), inBackground(ctx, func(ctx context.Context) {
		defer func() { _ = count.Close() }() // everything is on the disk already
		defer inBackground(ctx, func(ctx context.Context) { count.Run(ctx, node.Each) })()
		defer inBackground(ctx, func(ctx context.Context) { measure(ctx, o, l, node, count.Reporter()) })()
		defer inBackground(ctx, func(ctx context.Context) { boxes.Scan(ctx, o.Logger) })()
		node.Run(ctx)
	}), nil
}
