package collect

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// ask reads the health of the disk of that kernel name.
type ask func(ctx context.Context, name string) (smart.Health, error)

// smart reads the health of each disk: on the live machine from smartctl, or where that is not installed from NVMe
// disks directly; from files smartctl/NAME.json beside a copy.
func (c *Collector) smart(disks []hardware.Disk) reader {
	var names []string
	virtual := 0
	for _, d := range disks {
		if d.Type == hardware.DiskVirtual || d.Type == hardware.DiskUSB {
			virtual++
			continue
		}
		names = append(names, d.Name)
	}
	return func(ctx context.Context) finding {
		if len(names) == 0 {
			return finding{state: hardware.SectionAbsent, detail: fmt.Sprintf("none of %d disks is a physical one that this machine sees", virtual)}
		}
		read, err := c.asker(names)
		if err != nil {
			return trouble("smartctl (package smartmontools)", err)
		}
		return health(ctx, names, read)
	}
}

// asker returns how the disks are asked.
func (c *Collector) asker(names []string) (ask, error) {
	if !c.tree.live() {
		if !c.tree.exists("smartctl") {
			return nil, exec.ErrNotFound
		}
		return func(_ context.Context, name string) (smart.Health, error) {
			return parsed(c.tree.read("smartctl/"+name+".json", smart.MaxReport))
		}, nil
	}
	command, err := smart.Command(c.options.Smartctl)
	if err == nil {
		return func(ctx context.Context, name string) (smart.Health, error) {
			return parsed(smart.Report(ctx, command, name, c.options.Timeout))
		}, nil
	}
	if c.options.Smartctl != "" || !anyNVMe(names) {
		return nil, err
	}
	return func(_ context.Context, name string) (smart.Health, error) {
		if !smart.IsNVMe(name) {
			return smart.Health{}, smart.ErrSilent
		}
		return smart.NVMe("/dev", name)
	}, nil
}

func parsed(data []byte, err error) (smart.Health, error) {
	if err != nil {
		return smart.Health{}, err
	}
	return smart.Parse(data)
}

func anyNVMe(names []string) bool {
	for _, n := range names {
		if smart.IsNVMe(n) {
			return true
		}
	}
	return false
}

func health(ctx context.Context, names []string, read ask) finding {
	healths := map[string]*hardware.SMART{}
	var missing []string
	for _, name := range names {
		h, err := read(ctx, name)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		healths[name] = h.Summary()
	}
	f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) {
		for i := range to.Disks {
			to.Disks[i].SMART = healths[to.Disks[i].Name]
		}
	}}
	f.detail = strings.Join(missing, "; ")
	switch {
	case len(healths) == 0 && strings.Contains(strings.ToLower(f.detail), "permission denied"):
		f.state, f.detail = hardware.SectionDenied, "only root may ask disks for their health"
	case len(healths) == 0:
		f.state = hardware.SectionFailed
	case len(missing) > 0:
		f.state = hardware.SectionPartial
	}
	return f
}
