package collect

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// maxReport bounds one report of smartctl; real ones have some 20 kB.
const maxReport = 1 << 20

// smart reads the health of each disk: from smartctl on the live machine, from
// files smartctl/NAME.json beside a copy.
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
		read, err := c.reports()
		if err != nil {
			return trouble("smartctl (package smartmontools)", err)
		}
		return health(ctx, names, read)
	}
}

// reports returns how the report of a disk is read.
func (c *Collector) reports() (func(context.Context, string) ([]byte, error), error) {
	if !c.tree.live() {
		if !c.tree.exists("smartctl") {
			return nil, exec.ErrNotFound
		}
		return func(_ context.Context, name string) ([]byte, error) {
			return c.tree.read("smartctl/"+name+".json", maxReport)
		}, nil
	}
	command, err := exec.LookPath(cmp.Or(c.options.Smartctl, "smartctl"))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, name string) ([]byte, error) {
		return runSmartctl(ctx, command, name, c.options.Timeout)
	}, nil
}

// runSmartctl reads information, health and attributes without waking a disk
// that sleeps. Its exit status is a set of findings, not a failure.
func runSmartctl(ctx context.Context, command, name string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	run := exec.CommandContext(ctx, command, "--json", "--info", "--health", "--attributes", "--nocheck=standby,0", "/dev/"+name)
	run.WaitDelay = time.Second
	var out bytes.Buffer
	run.Stdout = &capped{&out}
	err := run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && out.Len() > 0 {
		err = nil
	}
	return out.Bytes(), err
}

// capped drops what goes beyond the bound, so that the writer never blocks.
type capped struct{ to *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxReport - c.to.Len(); room > 0 {
		c.to.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func health(ctx context.Context, names []string, read func(context.Context, string) ([]byte, error)) finding {
	healths := map[string]*hardware.SMART{}
	var missing []string
	for _, name := range names {
		data, err := read(ctx, name)
		if err == nil {
			healths[name], err = parseSMART(data)
		}
		if err != nil {
			delete(healths, name)
			missing = append(missing, fmt.Sprintf("%s: %v", name, err))
		}
	}
	f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) {
		for i := range to.Disks {
			to.Disks[i].SMART = healths[to.Disks[i].Name]
		}
	}}
	f.detail = strings.Join(missing, "; ")
	switch {
	case len(healths) == 0 && strings.Contains(f.detail, "Permission denied"):
		f.state, f.detail = hardware.SectionDenied, "only root may ask disks for their health"
	case len(healths) == 0:
		f.state = hardware.SectionFailed
	case len(missing) > 0:
		f.state = hardware.SectionPartial
	}
	return f
}

// report is what is read of smartctl's JSON (format version 1).
type report struct {
	Smartctl struct {
		Messages []struct {
			String string `json:"string"`
		} `json:"messages"`
	} `json:"smartctl"`
	Status *struct {
		Passed bool `json:"passed"`
	} `json:"smart_status"`
	Hours struct {
		Hours uint64 `json:"hours"`
	} `json:"power_on_time"`
	NVMe *struct {
		Warning     int    `json:"critical_warning"`
		Used        int    `json:"percentage_used"`
		MediaErrors uint64 `json:"media_errors"`
		Hours       uint64 `json:"power_on_hours"`
	} `json:"nvme_smart_health_information_log"`
	ATA struct {
		Table []attribute `json:"table"`
	} `json:"ata_smart_attributes"`
	Defects   uint64 `json:"scsi_grown_defect_list"`
	Endurance *int   `json:"scsi_percentage_used_endurance_indicator"`
}

type attribute struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Value int    `json:"value"`
	Raw   struct {
		Value uint64 `json:"value"`
	} `json:"raw"`
}

// Attributes of ATA disks (the vendors agree on these).
const (
	attrReallocated = 5
	attrPending     = 197
)

// parseSMART reads one report; a report without a health status is an error that
// repeats smartctl's own words.
func parseSMART(data []byte) (*hardware.SMART, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("the report is no JSON: %w", err)
	}
	if r.Status == nil {
		return nil, r.reason()
	}
	s := &hardware.SMART{Passed: r.Status.Passed, WearPercent: -1, ReallocatedSectors: r.Defects, PowerOnDays: r.Hours.Hours / 24}
	if r.Endurance != nil {
		s.WearPercent = *r.Endurance
	}
	if n := r.NVMe; n != nil {
		s.Passed = s.Passed && n.Warning == 0
		s.WearPercent, s.MediaErrors = n.Used, n.MediaErrors
		s.PowerOnDays = cmp.Or(s.PowerOnDays, n.Hours/24)
	}
	for _, a := range r.ATA.Table {
		a.add(s)
	}
	return s, nil
}

func (r *report) reason() error {
	for _, m := range r.Smartctl.Messages {
		if m.String != "" {
			return errors.New(m.String)
		}
	}
	return errors.New("the report has no health status")
}

// add reads the attributes that tell of wear and of bad sectors. Of the wear
// indicators of SSDs the normalised value counts down from 100.
func (a attribute) add(s *hardware.SMART) {
	switch {
	case a.ID == attrReallocated:
		s.ReallocatedSectors = a.Raw.Value
	case a.ID == attrPending:
		s.PendingSectors = a.Raw.Value
	case wearNames[a.Name] && a.Value >= 0 && a.Value <= 100 && s.WearPercent < 0:
		s.WearPercent = 100 - a.Value
	}
}

var wearNames = map[string]bool{
	"Wear_Leveling_Count": true, "Media_Wearout_Indicator": true, "Percent_Lifetime_Remain": true,
	"SSD_Life_Left": true, "Percent_Life_Remaining": true, "Remaining_Lifetime_Perc": true,
}
