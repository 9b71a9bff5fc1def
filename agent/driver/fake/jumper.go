package fake

import (
	"bytes"
	"context"
	"net/netip"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Jumper is a machine in memory that can start another kernel. Set its fields before the first use.
type Jumper struct {
	*Machine
	Card  driver.Uplink                                 // what Uplink answers
	Takes error                                         // why the running kernel takes no other one; nil: it does
	Start func(image, memory []byte, line string) error // what a jump does; nil: nothing
}

// Prepare implements driver.Jumper.
func (j *Jumper) Prepare(ctx context.Context, k driver.Kernel) (func(context.Context) error, error) {
	var image, memory bytes.Buffer
	if err := k.Take(ctx, k.Image, &image); err != nil {
		return nil, err
	}
	if err := k.Take(ctx, k.Memory, &memory); err != nil {
		return nil, err
	}
	if j.Takes != nil {
		return nil, fault.Refused("the kernel takes no other one: %w", j.Takes)
	}
	return func(ctx context.Context) error {
		if err := ctx.Err(); err != nil || j.Start == nil {
			return err
		}
		return j.Start(image.Bytes(), memory.Bytes(), k.CommandLine)
	}, nil
}

// Uplink implements driver.Jumper.
func (j *Jumper) Uplink(netip.Addr) (driver.Uplink, error) { return j.Card, nil }

var _ driver.Jumper = (*Jumper)(nil)
