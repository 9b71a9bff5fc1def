package app

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/meter/ports"
	"github.com/steelyard/steelyard/agent/meter/report"
	"github.com/steelyard/steelyard/protocol"
)

// openPorts counts what goes through the machine's ports, on a system that stays; nil in memory, where nobody's traffic is. The caller calls end, which waits for the last write.
func openPorts(ctx context.Context, o Options, boot string) (b *ports.Book, end func(), err error) {
	if o.Environment != protocol.EnvInstalled && o.Environment != protocol.EnvSandbox {
		return nil, func() {}, nil
	}
	if strings.HasPrefix(boot, "process-") { // the kernel has no number for its start: a counter that fell tells of one
		boot = "unknown"
	}
	b, err = ports.Open(ports.Options{Dir: filepath.Join(o.State, "ports"), Boot: boot, Booted: booted(), Logger: o.Logger})
	if err != nil {
		return nil, nil, err
	}
	return b, inBackground(ctx, b.Run), nil
}

// booted is when the kernel was started; zero where it does not say.
func booted() time.Time {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(info.Uptime) * time.Second)
}

// reportPorts tells of the ports of a machine that carries no accounts.
func reportPorts(ctx context.Context, o Options, b *ports.Book) (tell *report.Reporter, end func()) {
	tell = report.New(report.Options{Ports: b})
	return tell, inBackground(ctx, func(ctx context.Context) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-tell.Wanted():
				if err := tell.Apply(); err != nil {
					o.Logger.Error("totals of months are not made", "error", err)
				}
			}
		}
	})
}
