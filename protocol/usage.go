package protocol

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Classes of traffic (rule C21).
const (
	UsageWWW = iota
	UsageFTP
	UsageMail
	UsageClasses
)

// UsageAgain is how long a report of usage waits for its UsageAck before what it said is told again in the same session: the controller writes in batches, some minutes apart.
const UsageAgain = 10 * time.Minute

// UsageMonths says for which months a node makes totals (rule U7). The controller sends it when a session begins, and whenever it changes.
type UsageMonths struct {
	Zone   uint64       `json:"zone"` // grows when the controller's time zone is changed: totals of another Zone are of other months
	Months []UsageMonth `json:"months"`
}

// UsageMonth is one of them. It begins and ends with a quarter-hour of UTC, of which [From, To) have passed since 1970.
type UsageMonth struct {
	Name string `json:"name"` // 2026-11
	From int64  `json:"from"`
	To   int64  `json:"to"`
	// Days are the quarter-hours with which its days begin, the first is From; nil: every 96. Days of a zone with summer time are not all equally long.
	Days []int64 `json:"days,omitempty"`
}

// DayOf is which of its days a quarter-hour is in, from 0.
func (m *UsageMonth) DayOf(q int64) int {
	if len(m.Days) == 0 {
		return int((q - m.From) / 96)
	}
	n, exact := slices.BinarySearch(m.Days, q)
	if !exact {
		n--
	}
	return n
}

// Check is the fault of months that no controller would send: they are named, follow each other, and are not too many.
func (u *UsageMonths) Check() error {
	var c fault.Check
	c.Require(len(u.Months) <= MaxUsageMonths, "months", "are %d; %d are the most", len(u.Months), MaxUsageMonths)
	for i, m := range u.Months {
		c.Require(m.Name != "" && len(m.Name) <= 16, "months", "have one without a name")
		c.Require(m.From < m.To && (i == 0 || u.Months[i-1].To <= m.From), "months", "%.16s does not follow the one before", m.Name)
		c.Require(len(m.Days) <= maxDays && (len(m.Days) == 0 || m.Days[0] == m.From), "months", "%.16s has %d days, which do not begin with it", m.Name, len(m.Days))
		for j := 1; j < len(m.Days); j++ {
			c.Require(m.Days[j-1] < m.Days[j] && m.Days[j] < m.To, "months", "day %d of %.16s is not in its order", j+1, m.Name)
		}
	}
	return c.Err("the controller names months that cannot be")
}

// UsageReport is what accounts of a node used: totals, never differences, so a report may come twice, late, or after a newer one (rule U1). It is repeated until UsageAck
// names its Seq, which says that it is stored (rule U4).
type UsageReport struct {
	Seq      uint64   `json:"seq"`
	Book     string   `json:"book"` // of the node's counts; another book counts from nothing
	Zone     uint64   `json:"zone"`
	Months   []string `json:"months"`   // names, at most MaxUsageMonths
	Accounts []byte   `json:"accounts"` // written by AppendUsage, read by Each; those that changed, all of them first in a session

	Counted int64         `json:"counted,omitempty"` // seconds since 1970: everything that was logged until then is in the totals; 0: not yet known (rule U6)
	Sources []UsageSource `json:"sources,omitempty"` // all of them, when something about them changed, and first in a session
	Deleted uint64        `json:"deleted,omitempty"` // bytes of files of accounts that were deleted and are held open: on the disk, and in no account's figures
	Final   bool          `json:"final,omitempty"`   // an account of it goes: the logs were read to their end for it
}

// UsageSource is what the node knows of one of its logs.
type UsageSource struct {
	Name    string     `json:"name"`              // "www", "ftp", "mail"
	Until   int64      `json:"until,omitempty"`   // seconds since 1970: read to its end then; 0: never since the agent started
	Problem string     `json:"problem,omitempty"` // why it cannot be read, for a person
	Unknown uint64     `json:"unknown,omitempty"` // lines that are in no format of it
	Sample  string     `json:"sample,omitempty"`  // the last of these
	Skipped uint64     `json:"skipped,omitempty"` // bytes of lines that were too long
	Gaps    []UsageGap `json:"gaps,omitempty"`    // the newest
}

// UsageGap is a time of which nothing or not everything could be counted, in seconds since 1970.
type UsageGap struct {
	After  int64 `json:"after"`            // everything before was counted
	Before int64 `json:"before,omitempty"` // everything behind was; 0: nobody knows
}

// UsageAck says that a UsageReport, or a ServerUsage, is stored.
type UsageAck struct {
	Seq uint64 `json:"seq"`
}

// Bounds of what is said of usage.
const (
	MaxUsageMonths = 6
	MaxUsage       = 512 << 10 // bytes of UsageReport.Accounts
	maxUsageID     = 64        // bytes of an account's id

	MaxUsageGaps    = 16 // of one source
	maxUsageSources = 8
	maxDays         = 31
)

// Traffic is in bytes: In came to the server, Out left it.
type Traffic struct{ In, Out uint64 }

// AccountUsage is what one account used.
type AccountUsage struct {
	Months [MaxUsageMonths][UsageClasses]Traffic // in the order of UsageReport.Months
	Stored Stored
}

// Stored is what an account takes of the disk, in bytes that do not overlap (rule C20).
type Stored struct {
	Home, WWW, Mail, Databases uint64
	At                         uint64 // when it was measured, in seconds since 1970; 0: it was not
}

// AppendUsage writes an account's usage behind b: length and bytes of its id, a set of the months in which it had traffic (bit 0 is the first), for each of these
// In and Out of each class, then when its storage was measured and, unless that is 0, the four figures. All numbers are varints as encoding/binary has them.
func AppendUsage(b []byte, account string, u *AccountUsage) []byte {
	b = append(append(b, byte(len(account))), account...)
	var had uint64
	for i := range u.Months {
		if u.Months[i] != [UsageClasses]Traffic{} {
			had |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, had)
	for i := range u.Months {
		if had&(1<<i) == 0 {
			continue
		}
		for _, t := range u.Months[i] {
			b = binary.AppendUvarint(binary.AppendUvarint(b, t.In), t.Out)
		}
	}
	s := &u.Stored
	if b = binary.AppendUvarint(b, s.At); s.At == 0 {
		return b
	}
	for _, n := range [...]uint64{s.Home, s.WWW, s.Mail, s.Databases} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// Each calls f for each account of a report; u and account are good until f returns. Fault: invalid, for bytes that AppendUsage does not write; what was read before was given to f.
func (r *UsageReport) Each(f func(account []byte, u *AccountUsage)) error {
	if len(r.Months) > MaxUsageMonths || len(r.Accounts) > MaxUsage {
		return fault.Invalid("the report of usage is of %d months and %d bytes; %d and %d are the most", len(r.Months), len(r.Accounts), MaxUsageMonths, MaxUsage)
	}
	d := usage{b: r.Accounts}
	var u AccountUsage
	for d.more() {
		start := d.at
		account := d.id()
		d.account(&u, len(r.Months))
		if d.bad {
			return fault.Invalid("the report of usage cannot be read at the account of byte %d", start)
		}
		f(account, &u)
	}
	return nil
}

// Clean bounds what an agent sent. What Each reads is checked by it.
func (r *UsageReport) Clean() {
	r.Book = tag(r.Book)
	for i := range r.Months {
		r.Months[i] = tag(r.Months[i])
	}
	r.Sources = r.Sources[:min(len(r.Sources), maxUsageSources)]
	for i := range r.Sources {
		s := &r.Sources[i]
		s.Name, s.Problem, s.Sample = tag(s.Name), short(s.Problem), short(s.Sample)
		s.Gaps = s.Gaps[:min(len(s.Gaps), MaxUsageGaps)]
	}
}

// tag is a name that a machine gave, cut to what such a name has.
func tag(name string) string {
	name = hardware.CleanString(name)
	return name[:min(len(name), maxUsageID)]
}

// usage reads what AppendUsage wrote. It counts its place and does not cut the bytes: a pointer that is written a thousand times for a report is work for the collector.
type usage struct {
	b   []byte
	at  int
	bad bool
}

// more reports whether something is left.
func (d *usage) more() bool { return d.at < len(d.b) }

func (d *usage) id() []byte {
	n := int(d.b[d.at])
	from := d.at + 1
	if n == 0 || n > maxUsageID || from+n >= len(d.b) {
		d.fail()
		return nil
	}
	d.at = from + n
	return d.b[from:d.at]
}

func (d *usage) number() uint64 {
	if d.at < len(d.b) && d.b[d.at] < 0x80 {
		d.at++
		return uint64(d.b[d.at-1])
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.at += n
	return v
}

// fail ends the reading.
func (d *usage) fail() { d.bad, d.at = true, len(d.b) }

func (d *usage) account(u *AccountUsage, months int) {
	*u = AccountUsage{}
	had := d.number()
	if bits.Len64(had) > months {
		d.bad = true
		return
	}
	for i := range months {
		if had&(1<<i) == 0 {
			continue
		}
		for c := range u.Months[i] {
			u.Months[i][c] = Traffic{In: d.number(), Out: d.number()}
		}
	}
	if u.Stored.At = d.number(); u.Stored.At == 0 {
		return
	}
	u.Stored.Home, u.Stored.WWW, u.Stored.Mail, u.Stored.Databases = d.number(), d.number(), d.number(), d.number()
}
