package ftp

import (
	"context"
	"os"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Provide looks for ProFTPD, whether it runs and has our configuration.
func (p *Part) Provide(ctx context.Context) part.Provision {
	c := protocol.Component{Part: p.Name(), Name: "proftpd"}
	if !daemon.IsThere(p.o.Program) {
		c.Problem = missing
		return provision(c)
	}
	if out, err := daemon.Run(ctx, p.o.Program, "-v"); err == nil {
		_, c.Version, _ = strings.Cut(out, "Version ")
	}
	if _, err := p.o.daemon().PID(); err != nil {
		c.Problem = err.Error()
	} else if _, err := os.Stat(p.o.Include); err == nil && !strings.Contains(p.greeted(ctx), p.o.greeting()) {
		p.laid = false // and Settle tries again
		c.Problem = "ProFTPD does not use " + p.o.Include + ": its configuration must include the file, without a ServerIdent of its own, and it must listen at " + p.o.Probe
	}
	return provision(c)
}

func provision(c protocol.Component) part.Provision {
	return part.Provision{Components: []protocol.Component{c}, Switches: map[string]bool{"ftp": c.Problem == ""}}
}
