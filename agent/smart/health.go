package smart

import (
	"cmp"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Health is what a drive says about itself.
type Health struct {
	Protocol string   // "ATA", "SCSI", "NVMe"; "" unknown
	Passed   bool     // the drive's own verdict; too warm alone is no failure, see TooWarm
	Failing  []string // what the drive says is failing now, in words
	TooWarm  bool     // NVMe: above or below its own temperature thresholds now

	Rotates bool
	RPM     int // 0: no rotation, or unknown

	Wear       int // percent of the rated endurance used; may be above 100; -1 unknown
	Spare      int // percent of the spare blocks left; -1 unknown
	SpareLimit int // percent below which the drive calls itself worn out; -1 unknown

	Celsius      int // now; 0 unknown
	WorstCelsius int // highest ever; 0 unknown
	WarmCelsius  int // the drive's own limit of normal use; 0 unknown
	HotCelsius   int // the drive's own limit beyond which it takes damage or stops; 0 unknown

	Reallocated   *uint64 // sectors that were replaced by spare ones (ATA 5, SCSI grown defects)
	Pending       *uint64 // sectors that could not be read and wait to be rewritten (ATA 197, SCSI)
	Uncorrectable *uint64 // sectors that an offline scan could not read (ATA 198), SCSI uncorrected reads
	Reported      *uint64 // errors that could not be corrected and were told to the host (ATA 187)
	MediaErrors   *uint64 // NVMe: data that could not be recovered
	CRCErrors     *uint64 // ATA 199: damaged on the way between drive and host, usually the cable
	Hours         *uint64 // powered on

	LinkMbps     int // SATA: negotiated signalling rate; 0 unknown
	LinkBestMbps int // SATA: the best that the drive can do

	Tests        []Test // self-tests that ended, newest first
	TestRunning  bool
	TestPercent  int // of the running one, done
	ShortMinutes int // how long the drive says that its short self-test takes; 0 unknown
	CanTest      bool
}

// Test is a self-test in the drive's own log.
type Test struct {
	Kind   string // "short", "extended", … in the drive's words
	Result string // in the drive's words
	Failed bool   // an aborted test has not failed
	Hours  uint64 // power-on hours when it ended
}

// unknown is a Health of which nothing is known.
func unknown() Health { return Health{Wear: -1, Spare: -1, SpareLimit: -1} }

// Lost counts sectors and blocks that hold no data any more or are about to.
func (h *Health) Lost() uint64 {
	var sum uint64
	for _, n := range []*uint64{h.Reallocated, h.Pending, h.Uncorrectable, h.MediaErrors} {
		if n != nil {
			sum += min(*n, 1<<48)
		}
	}
	return sum
}

// LastTest is the newest self-test that came to a result of its own, if there is one. Aborted ones tell nothing.
func (h *Health) LastTest() (Test, bool) {
	for _, t := range h.Tests {
		if t.Failed || completed(t.Result) {
			return t, true
		}
	}
	return Test{}, false
}

// Summary is the coarse form that belongs into an inventory: it does not change all day.
func (h *Health) Summary() *hardware.SMART {
	return &hardware.SMART{
		Passed: h.Passed, WearPercent: h.Wear, ReallocatedSectors: value(h.Reallocated), PendingSectors: value(h.Pending),
		MediaErrors: value(h.MediaErrors), PowerOnDays: value(h.Hours) / 24,
	}
}

// Fill takes over from other what h does not know.
func (h *Health) Fill(other Health) {
	h.Protocol, h.RPM = cmp.Or(h.Protocol, other.Protocol), cmp.Or(h.RPM, other.RPM)
	h.Celsius, h.WorstCelsius = cmp.Or(h.Celsius, other.Celsius), cmp.Or(h.WorstCelsius, other.WorstCelsius)
	h.WarmCelsius, h.HotCelsius = cmp.Or(h.WarmCelsius, other.WarmCelsius), cmp.Or(h.HotCelsius, other.HotCelsius)
	h.ShortMinutes = cmp.Or(h.ShortMinutes, other.ShortMinutes)
	for _, n := range []struct {
		to   *int
		from int
	}{{&h.Wear, other.Wear}, {&h.Spare, other.Spare}, {&h.SpareLimit, other.SpareLimit}} {
		if *n.to < 0 {
			*n.to = n.from
		}
	}
	for _, n := range []struct {
		to   **uint64
		from *uint64
	}{
		{&h.Reallocated, other.Reallocated},
		{&h.Pending, other.Pending},
		{&h.Uncorrectable, other.Uncorrectable},
		{&h.Reported, other.Reported},
		{&h.MediaErrors, other.MediaErrors},
		{&h.CRCErrors, other.CRCErrors},
		{&h.Hours, other.Hours},
	} {
		if *n.to == nil {
			*n.to = n.from
		}
	}
	if len(h.Tests) == 0 {
		h.Tests = other.Tests
	}
	if !h.TestRunning {
		h.TestRunning, h.TestPercent = other.TestRunning, other.TestPercent
	}
	h.CanTest = h.CanTest || other.CanTest
}

func value(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}
