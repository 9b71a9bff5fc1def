package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/metrics/series"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// maxReaders is how many scrapes of servers, or of accounts, are answered at a time: each makes a table of all of them.
const maxReaders = 2

// maxParts is how many file systems, disks and interfaces of one server are shown: an agent tells them.
const maxParts = 64

// Machine is what is shown of one server. What is nil or zero is not known, and not shown.
type Machine struct {
	ID, Name, Location, Approval, Claim, Environment string

	Connected, Available bool

	Disks    []hardware.Disk
	Sample   *hardware.Sample // latest figures of its agent
	SampleAt time.Time
	Traffic  *usage.ServerFigures
	Month    string // the running one; only of it a month's figures are shown
	Gaps     int    // of Traffic, where they are counted; -1: they are not
}

// Servers answers scrapes with the servers that each yields, which are good until the next one.
func Servers(each func(yield func(*Machine))) http.Handler {
	return series.Gate(maxReaders, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := machineTables{serverInfo.New(), serverLayout.New(), filesystemLayout.New(), diskLayout.New(), interfaceLayout.New()}
		each(t.add)
		series.Serve(w, r, t.info, t.servers, t.filesystems, t.disks, t.interfaces)
	}))
}

// machineTables are what is shown of servers: a table for each kind of thing that has labels of its own.
type machineTables struct{ info, servers, filesystems, disks, interfaces *series.Table }

// of begins a row of a table with the labels of the server.
func (m *Machine) of(t *series.Table) series.Row {
	r := t.Row()
	r.Label("server", m.ID)
	r.Label("name", m.Name)
	return r
}

func (t *machineTables) add(m *Machine) {
	info := m.of(t.info)
	info.Label("location", m.Location)
	info.Label("approval", m.Approval)
	info.Label("claim", m.Claim)
	info.Label("environment", m.Environment)
	info.Set(0, 1)
	r := m.of(t.servers)
	r.SetTruth(serverConnected, m.Connected)
	r.SetTruth(serverAvailable, m.Available)
	if m.Traffic != nil {
		m.traffic(r)
	}
	t.hardware(m)
	if s := m.Sample; s != nil {
		r.SetBytes(serverMemory, s.MemTotal)
		r.SetBytes(serverMemoryFree, s.MemAvail)
		r.Set(serverSampled, m.SampleAt.Unix())
		t.sample(m, s)
	}
}

// traffic shows what the interfaces transferred. The series of one source stay when another one takes over.
func (m *Machine) traffic(r series.Row) {
	f := m.Traffic
	at := 0
	if f.Source == usage.SourceAgent {
		at = len(inOut)
	}
	r.SetBytes(serverTraffic+at, f.In)
	r.SetBytes(serverTraffic+at+1, f.Out)
	if !f.At.IsZero() {
		r.Set(serverTrafficAt, f.At.Unix())
	}
	if m.Gaps >= 0 {
		r.Set(serverGaps, int64(m.Gaps))
	}
	if len(f.Months) == 0 || f.Months[0].Month != m.Month {
		return
	}
	now := &f.Months[0]
	r.SetBytes(serverMonth, now.In)
	r.SetBytes(serverMonth+1, now.Out)
	r.SetBytes(serverP95, now.P95In/8) // bits
	r.SetBytes(serverP95+1, now.P95Out/8)
	r.SetTruth(serverMonthGap, now.Gap)
}

// hardware shows how the disks are, as far as they say.
func (t *machineTables) hardware(m *Machine) {
	for i := range m.Disks[:min(len(m.Disks), maxParts)] {
		d := &m.Disks[i]
		if d.SMART == nil {
			continue
		}
		r := m.of(t.disks)
		r.Label("disk", strconv.Itoa(i)+":"+clean(d.Name)) // no two are the same, whatever the agent says
		r.Label("serial", clean(d.Serial))
		r.SetTruth(diskHealthy, d.SMART.Passed)
		r.SetBytes(diskReallocated, d.SMART.ReallocatedSectors)
		r.SetBytes(diskPending, d.SMART.PendingSectors)
		r.SetBytes(diskErrors, d.SMART.MediaErrors)
		if d.SMART.WearPercent >= 0 {
			r.Set(diskWear, int64(d.SMART.WearPercent)*10)
		}
	}
}

// sample shows the file systems and interfaces. One that is named twice is shown once.
func (t *machineTables) sample(m *Machine, s *hardware.Sample) {
	seen := map[string]bool{}
	for i := range s.FS[:min(len(s.FS), maxParts)] {
		f := &s.FS[i]
		if mount := clean(f.Mount); !seen[mount] {
			seen[mount] = true
			r := m.of(t.filesystems)
			r.Label("mount", mount)
			r.SetBytes(filesystemSize, f.TotalBytes)
			r.SetBytes(filesystemFree, f.FreeBytes)
			if f.Inodes > 0 { // else it has none
				r.SetBytes(filesystemInodes, f.Inodes)
				r.SetBytes(filesystemInodesFree, f.InodesFree)
			}
		}
	}
	clear(seen)
	for i := range s.Interfaces[:min(len(s.Interfaces), maxParts)] {
		n := &s.Interfaces[i]
		if name := clean(n.Name); !seen[name] {
			seen[name] = true
			r := m.of(t.interfaces)
			r.Label("interface", name)
			r.SetBytes(0, n.RxBytes)
			r.SetBytes(1, n.TxBytes)
		}
	}
}
