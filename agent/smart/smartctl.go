package smart

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// report is what is read of smartctl's JSON (format version 1).
type report struct {
	Smartctl struct {
		Messages []struct {
			String string `json:"string"`
		} `json:"messages"`
	} `json:"smartctl"`
	Device struct {
		Protocol string `json:"protocol"`
	} `json:"device"`
	Rotation *int `json:"rotation_rate"`
	Link     struct {
		Max     rate `json:"max"`
		Current rate `json:"current"`
	} `json:"interface_speed"`
	Status *struct {
		Passed bool `json:"passed"`
	} `json:"smart_status"`
	Hours *struct {
		Hours uint64 `json:"hours"`
	} `json:"power_on_time"`
	Temperature struct {
		Current     int `json:"current"`
		LifetimeMax int `json:"lifetime_max"`
		OpLimitMax  int `json:"op_limit_max"`
		LimitMax    int `json:"limit_max"`
		DriveTrip   int `json:"drive_trip"`
	} `json:"temperature"`
	NVMe       *nvmeReport `json:"nvme_smart_health_information_log"`
	NVMeLimits struct {
		Warning  int `json:"warning"`
		Critical int `json:"critical"`
	} `json:"nvme_composite_temperature_threshold"`
	NVMeTests *struct {
		Current struct {
			Value int `json:"value"`
		} `json:"current_self_test_operation"`
		Percent int `json:"current_self_test_completion_percent"`
		Table   []struct {
			Code   named  `json:"self_test_code"`
			Result named  `json:"self_test_result"`
			Hours  uint64 `json:"power_on_hours"`
		} `json:"table"`
	} `json:"nvme_self_test_log"`
	ATA struct {
		Table []attribute `json:"table"`
	} `json:"ata_smart_attributes"`
	ATAData *struct {
		Test struct {
			Status  testStatus `json:"status"`
			Minutes struct {
				Short int `json:"short"`
			} `json:"polling_minutes"`
		} `json:"self_test"`
		Can struct {
			Tests bool `json:"self_tests_supported"`
		} `json:"capabilities"`
	} `json:"ata_smart_data"`
	ATATests struct {
		Standard testTable `json:"standard"`
		Extended testTable `json:"extended"`
	} `json:"ata_smart_self_test_log"`
	Defects *uint64 `json:"scsi_grown_defect_list"`
	Pending *struct {
		Count uint64 `json:"count"`
	} `json:"scsi_pending_defects"`
	Endurance *int `json:"scsi_percentage_used_endurance_indicator"`
	Errors    *struct {
		Read struct {
			Uncorrected uint64 `json:"total_uncorrected_errors"`
		} `json:"read"`
	} `json:"scsi_error_counter_log"`
}

type nvmeReport struct {
	Warning        uint8  `json:"critical_warning"`
	Celsius        int    `json:"temperature"`
	Spare          int    `json:"available_spare"`
	SpareThreshold int    `json:"available_spare_threshold"`
	Used           int    `json:"percentage_used"`
	MediaErrors    uint64 `json:"media_errors"`
	Hours          uint64 `json:"power_on_hours"`
}

type rate struct {
	Units int `json:"units_per_second"`
	Bits  int `json:"bits_per_unit"`
}

func (r rate) mbps() int { return int(int64(bounded(r.Units)) * int64(bounded(r.Bits)) / 1_000_000) }

func bounded(n int) int { return min(max(n, 0), 1<<30) }

type named struct {
	Value  int    `json:"value"`
	String string `json:"string"`
}

type testStatus struct {
	Value     int    `json:"value"`
	String    string `json:"string"`
	Remaining int    `json:"remaining_percent"`
}

type testTable struct {
	Table []struct {
		Type   named      `json:"type"`
		Status testStatus `json:"status"`
		Hours  uint64     `json:"lifetime_hours"`
	} `json:"table"`
}

type attribute struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Value int    `json:"value"`
	Limit int    `json:"thresh"`
	When  string `json:"when_failed"`
	Flags struct {
		Prefailure bool `json:"prefailure"`
	} `json:"flags"`
	Raw struct {
		Value  uint64 `json:"value"`
		String string `json:"string"`
	} `json:"raw"`
}

// Attributes of ATA drives on which the vendors agree.
const (
	attrReallocated   = 5
	attrReported      = 187
	attrAirflow       = 190
	attrTemperature   = 194
	attrPending       = 197
	attrUncorrectable = 198
	attrCRC           = 199
)

// mostTests bounds the self-tests that are kept of one log; real ones have 21.
const mostTests = 32

// Parse reads one report of smartctl. A report without a health status is an error that repeats smartctl's own words.
func Parse(data []byte) (Health, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return unknown(), fmt.Errorf("the report is no JSON: %w", err)
	}
	if r.Status == nil {
		return unknown(), r.reason()
	}
	h := unknown()
	h.Passed, h.Protocol = r.Status.Passed, r.Device.Protocol
	if r.Rotation != nil {
		h.Rotates, h.RPM = *r.Rotation > 0, bounded(*r.Rotation)
	}
	if r.Hours != nil {
		h.Hours = &r.Hours.Hours
	}
	h.LinkMbps, h.LinkBestMbps = r.Link.Current.mbps(), r.Link.Max.mbps()
	r.temperatures(&h)
	r.scsi(&h)
	r.nvme(&h)
	for _, a := range r.ATA.Table {
		a.add(&h)
	}
	r.ataTests(&h)
	return h, nil
}

func (r *report) reason() error {
	for _, m := range r.Smartctl.Messages {
		if m.String != "" {
			return errors.New(m.String)
		}
	}
	return errors.New("the report has no health status")
}

func (r *report) temperatures(h *Health) {
	t := r.Temperature
	h.Celsius, h.WorstCelsius = degrees(t.Current), degrees(t.LifetimeMax)
	h.WarmCelsius = degrees(cmp.Or(t.OpLimitMax, r.NVMeLimits.Warning))
	h.HotCelsius = degrees(cmp.Or(t.LimitMax, t.DriveTrip, r.NVMeLimits.Critical))
	if h.WarmCelsius == 0 {
		h.WarmCelsius = h.HotCelsius
	}
}

// degrees keeps what a drive can measure.
func degrees(n int) int {
	if n <= 0 || n >= 200 {
		return 0
	}
	return n
}

func (r *report) scsi(h *Health) {
	h.Reallocated = r.Defects
	if r.Endurance != nil {
		h.Wear = bounded(*r.Endurance)
	}
	if r.Pending != nil {
		h.Pending = &r.Pending.Count
	}
	if r.Errors != nil {
		h.Uncorrectable = &r.Errors.Read.Uncorrected
	}
}

func (r *report) nvme(h *Health) {
	n := r.NVMe
	if n == nil {
		return
	}
	h.warnings(n.Warning)
	h.Wear = bounded(n.Used)
	h.spares(n.Spare, n.SpareThreshold)
	h.MediaErrors = &n.MediaErrors
	h.Celsius = cmp.Or(h.Celsius, degrees(n.Celsius))
	if h.Hours == nil {
		h.Hours = &n.Hours
	}
	if l := r.NVMeTests; l != nil {
		h.CanTest, h.TestRunning, h.TestPercent = true, l.Current.Value != 0, bounded(l.Percent)
		for _, t := range l.Table[:min(len(l.Table), mostTests)] {
			h.Tests = append(h.Tests, Test{Kind: t.Code.String, Result: cmp.Or(t.Result.String, nvmeResults[t.Result.Value]), Failed: nvmeFailed(t.Result.Value), Hours: t.Hours})
		}
	}
}

// Bits of the NVMe critical warning (NVM Express Base Specification 2.0, figure 207).
var criticalWarnings = [...]string{
	"its spare blocks are below the threshold", "", "it is degraded by media or internal errors", "its medium is read-only",
	"the backup of its volatile memory failed", "its persistent memory is read-only or unreliable",
}

const tooWarm = 1 << 1

// warnings reads the critical warning. Temperature alone is no failure of the drive.
func (h *Health) warnings(bits uint8) {
	h.TooWarm, h.Passed = bits&tooWarm != 0, bits&^tooWarm == 0
	for i, words := range criticalWarnings {
		if bits&(1<<i) != 0 && words != "" {
			h.Failing = append(h.Failing, words)
		}
	}
}

// add reads the attributes that tell of wear, bad sectors, the cable and the temperature. Of the wear
// indicators of SSDs the normalised value counts down from 100.
func (a attribute) add(h *Health) {
	raw := a.Raw.Value
	if a.When == "now" && a.Flags.Prefailure {
		h.Failing = append(h.Failing, fmt.Sprintf("attribute %s is %d, its threshold is %d", a.Name, a.Value, a.Limit))
	}
	switch {
	case a.ID == attrReallocated:
		h.Reallocated = &raw
	case a.ID == attrPending:
		h.Pending = &raw
	case a.ID == attrUncorrectable:
		h.Uncorrectable = &raw
	case a.ID == attrReported:
		h.Reported = &raw
	case a.ID == attrCRC && strings.Contains(a.Name, "CRC"):
		h.CRCErrors = &raw
	case a.ID == attrTemperature, a.ID == attrAirflow && h.Celsius == 0:
		now, worst := warmth(a.Raw.String)
		h.Celsius, h.WorstCelsius = cmp.Or(h.Celsius, now), max(h.WorstCelsius, worst)
	case wearNames[a.Name] && a.Value >= 0 && a.Value <= 100 && h.Wear < 0:
		h.Wear = 100 - a.Value
	}
}

var wearNames = map[string]bool{
	"Wear_Leveling_Count": true, "Media_Wearout_Indicator": true, "Percent_Lifetime_Remain": true,
	"SSD_Life_Left": true, "Percent_Life_Remaining": true, "Remaining_Lifetime_Perc": true,
}

// warmth reads "49 (Min/Max 25/61)".
func warmth(raw string) (now, worst int) {
	first, rest, _ := strings.Cut(raw, " ")
	now, _ = strconv.Atoi(first)
	if _, pair, ok := strings.Cut(rest, "Min/Max "); ok {
		_, most, _ := strings.Cut(pair, "/")
		most = strings.TrimRight(most, ")")
		most, _, _ = strings.Cut(most, " ")
		worst, _ = strconv.Atoi(strings.TrimRight(most, ")"))
	}
	return degrees(now), degrees(worst)
}

// ataTests reads the state of the self-test and its log (ATA ACS-3, SMART self-test log: the high half of a status).
func (r *report) ataTests(h *Health) {
	if d := r.ATAData; d != nil {
		h.CanTest, h.ShortMinutes = d.Can.Tests, bounded(d.Test.Minutes.Short)
		if d.Test.Status.Value>>4 == inProgress {
			h.TestRunning, h.TestPercent = true, 100-min(bounded(d.Test.Status.Remaining), 100)
		}
	}
	table := r.ATATests.Extended.Table
	if len(table) == 0 {
		table = r.ATATests.Standard.Table
	}
	for _, t := range table[:min(len(table), mostTests)] {
		code := t.Status.Value >> 4
		if code == inProgress {
			continue
		}
		h.Tests = append(h.Tests, Test{Kind: t.Type.String, Result: t.Status.String, Failed: code >= 3 && code <= 8, Hours: t.Hours})
	}
}

const inProgress = 15

func completed(result string) bool { return strings.HasPrefix(result, "Completed without error") }
