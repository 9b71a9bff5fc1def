package execute

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Entrances tell how the running system can start the RAM environment by itself; see link.Link.
type Entrances interface {
	Enter(ctx context.Context) (link.Entrance, error)
	Controllers() []string
}

// ahead is a way into the RAM environment that is ready to be gone.
type ahead struct {
	how string // for a person
	do  func(context.Context) error
}

// enter makes the most certain way into the RAM environment ready that this machine has; see the package's documentation. When there is
// none it starts again all the same, as its own boot order says, with the reasons.
func (d deeds) enter(ctx context.Context, job *Job) ahead {
	type way func(context.Context, *Job) (ahead, error)
	ways := []way{d.byKexec, d.byFirmware}
	if job.Command.Firmware {
		slices.Reverse(ways)
	}
	var why []string
	for _, w := range ways {
		a, err := w(ctx, job)
		if err == nil {
			a.how += after(why)
			return a
		}
		why = append(why, fault.From(err).Message)
	}
	return ahead{"as its own boot order says" + after(why), d.machine.Reboot}
}

// after tells why other ways were not gone.
func after(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return ": " + strings.Join(why, "; ")
}

// byFirmware lets the firmware start from the network once.
func (d deeds) byFirmware(ctx context.Context, _ *Job) (ahead, error) {
	director, ok := d.machine.(driver.Director)
	if !ok {
		return ahead{}, fault.Refused("the firmware cannot be told what to start from")
	}
	how, err := director.FromNetwork(ctx)
	return ahead{how, d.machine.Reboot}, err
}

// byKexec lets the running system start it. The customer's disks have no part in it.
func (d deeds) byKexec(ctx context.Context, job *Job) (ahead, error) {
	jumper, ok := d.machine.(driver.Jumper)
	from, known := d.images.(Entrances)
	if !ok || !known || d.environment != protocol.EnvInstalled {
		return ahead{}, fault.Refused("the running system cannot start another kernel")
	}
	e, err := from.Enter(ctx)
	if err != nil {
		return ahead{}, err
	}
	u, err := jumper.Uplink(e.Local)
	if err != nil {
		return ahead{}, err
	}
	line := strings.Join(slices.Concat(e.Arguments, words(e.Controller, from.Controllers(), u)), " ")
	if len(line) > protocol.MaxArguments {
		return ahead{}, fault.Refused("the kernel's command line would have %d bytes; %d are taken", len(line), protocol.MaxArguments)
	}
	job.Report(0, e.Kernel.Bytes+e.Memory.Bytes, "bytes", "fetching the RAM environment")
	jump, err := jumper.Prepare(ctx, driver.Kernel{Image: e.Kernel, Memory: e.Memory, CommandLine: line, Fetch: d.fetch})
	if err != nil {
		return ahead{}, err
	}
	return ahead{"into the RAM environment by kexec, past its firmware", func(ctx context.Context) error {
		err := jump(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		return errors.Join(err, d.machine.Reboot(ctx)) // it was promised to start again
	}}, nil
}

// fetch writes a file that the controller announced.
func (d deeds) fetch(ctx context.Context, f protocol.EntryFile, to io.Writer) error {
	return install.Download(ctx, d.images, f.SHA256, f.Bytes, to)
}

// words tell the RAM environment how to reach the controllers: first the address that this system reaches now, by the card and the address
// that it does so with.
func words(now string, controllers []string, u driver.Uplink) []string {
	list := []string{now}
	for _, c := range controllers {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	out := []string{"steelyard.controller=" + strings.Join(list, ",")}
	for _, w := range []struct{ key, value string }{
		{"mac", u.MAC}, {"address", text(u.Address)}, {"gateway", text(u.Gateway.WithZone(""))}, {"vlan", strconv.Itoa(u.VLAN)},
	} {
		if w.value != "" && w.value != "0" {
			out = append(out, "steelyard."+w.key+"="+w.value)
		}
	}
	return out
}

// text is an address, or nothing.
func text(a interface {
	IsValid() bool
	String() string
},
) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
