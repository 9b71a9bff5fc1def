package power

import (
	"cmp"
	"context"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power/redfish"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of an inventory: how many resources of a kind are read, and requests altogether.
const (
	maxRequests = 256
	maxChassis  = 48
	maxSensors  = 512
	maxLogs     = 8
	maxPages    = 4
	maxPorts    = 8
)

// survey is one inventory in the making. What a service lacks or garbles leaves a gap;
// one that is away ends it.
type survey struct {
	c    *redfishController
	ctx  context.Context
	left int   // requests
	away error // the first unavailable
	seen outofband.Chassis
}

func (c *redfishController) Inventory(ctx context.Context) (outofband.Chassis, error) {
	system, _, err := c.read(ctx)
	if err != nil {
		return outofband.Chassis{}, err
	}
	s := &survey{c: c, ctx: ctx, left: maxRequests, seen: outofband.Chassis{
		Manufacturer: string(system.Manufacturer), Model: string(system.Model), Serial: string(system.SerialNumber), UUID: strings.ToLower(string(system.UUID)),
		At: time.Now(),
	}}
	s.manager(system)
	s.chassis(system)
	s.logs(system.LogServices)
	return s.seen, s.away
}

// get reports whether out was filled.
func (s *survey) get(link string, out any) bool {
	if link == "" || s.left == 0 || s.away != nil {
		return false
	}
	s.left--
	_, err := s.c.client.Get(s.ctx, link, out)
	if fault.Is(err, fault.KindUnavailable) && (redfish.StatusOf(err) == 0 || s.ctx.Err() != nil) {
		s.away = err
	}
	return err == nil
}

// manager reads the firmware and the address of the one that manages the system.
func (s *survey) manager(system redfish.System) {
	links := system.Links.ManagedBy
	if len(links) == 0 {
		var all redfish.Collection
		s.get(s.c.client.Root.Managers.ID, &all)
		links = all.Members
	}
	if len(links) == 0 {
		return
	}
	var m redfish.Manager
	if !s.get(links[0].ID, &m) {
		return
	}
	s.seen.Firmware = string(m.FirmwareVersion)
	s.ports(m.EthernetInterfaces.ID)
	if system.LogServices.ID == "" {
		s.logs(m.LogServices)
	}
}

// ports takes the MAC of the first port with an address in a network; services also list
// links to the host's own operating system.
func (s *survey) ports(collection string) {
	var all redfish.Collection
	s.get(collection, &all)
	for i, link := range all.Members {
		var port redfish.Interface
		if i == maxPorts || !s.get(link.ID, &port) {
			continue
		}
		mac, err := net.ParseMAC(cmp.Or(string(port.MAC), string(port.Permanent)))
		if err != nil || mac.String() == "00:00:00:00:00:00" {
			continue
		}
		reachable := false
		for _, a := range port.Addresses {
			ip := net.ParseIP(string(a.Address))
			reachable = reachable || ip != nil && !ip.IsUnspecified() && !ip.IsLinkLocalUnicast()
		}
		s.seen.MAC = cmp.Or(s.seen.MAC, mac.String())
		if reachable {
			s.seen.MAC = mac.String()
			return
		}
	}
}

// chassis reads the sensors of the system's chassis; when that one is only a board (it has no fans), of
// all others that say they hold the system.
func (s *survey) chassis(system redfish.System) {
	read := map[string]bool{}
	for i, link := range system.Links.Chassis {
		if i < maxChassis {
			read[link.ID] = true
			s.enclosure(link.ID, "")
		}
	}
	if slices.ContainsFunc(s.seen.Sensors, func(x outofband.Sensor) bool { return x.Unit == "rpm" || x.Unit == "%" }) {
		return
	}
	var all redfish.Collection
	s.get(s.c.client.Root.Chassis.ID, &all)
	for i, link := range all.Members {
		if i < maxChassis && !read[link.ID] {
			s.enclosure(link.ID, s.c.system)
		}
	}
}

// enclosure reads one chassis, if it holds the given system.
func (s *survey) enclosure(link, system string) {
	var ch redfish.Chassis
	if !s.get(link, &ch) {
		return
	}
	holds := system == ""
	for _, l := range ch.Links.ComputerSystems {
		holds = holds || strings.TrimSuffix(l.ID, "/") == strings.TrimSuffix(system, "/")
	}
	if !holds {
		return
	}
	s.seen.Serial = cmp.Or(s.seen.Serial, string(ch.SerialNumber))
	before := len(s.seen.Sensors)
	s.thermal(ch.Thermal.ID)
	s.power(ch.Power.ID)
	if len(s.seen.Sensors) == before {
		s.sensors(ch.Sensors.ID)
	}
}

func (s *survey) add(name redfish.Text, reading redfish.Number, unit string, status redfish.Status) {
	absent := status.State != "" && status.State != "Enabled" && status.State != "StandbyOffline"
	if name == "" || !reading.Known || absent || len(s.seen.Sensors) >= maxSensors {
		return
	}
	s.seen.Sensors = append(s.seen.Sensors, outofband.Sensor{Name: string(name), Value: reading.Value, Unit: unit, State: health(status.Health)})
}

// health is the state of a sensor.
func health(h redfish.Text) string {
	switch h {
	case "Critical":
		return "critical"
	case "Warning":
		return "warning"
	default:
		return "ok"
	}
}

func (s *survey) thermal(link string) {
	var t redfish.Thermal
	s.get(link, &t)
	for _, x := range t.Temperatures {
		s.add(x.Name, x.Reading, "°C", x.Status)
	}
	for _, x := range t.Fans {
		reading, unit := x.Reading, "rpm"
		if !reading.Known {
			reading = x.RPM
		}
		if x.Units == "Percent" {
			unit = "%"
		}
		s.add(cmp.Or(x.Name, x.FanName), reading, unit, x.Status)
	}
}

func (s *survey) power(link string) {
	var p redfish.Power
	s.get(link, &p)
	for _, x := range p.Control {
		s.add(cmp.Or(x.Name, "Power"), x.Consumed, "W", x.Status)
	}
	for _, x := range p.Voltages {
		s.add(x.Name, x.Reading, "V", x.Status)
	}
}

// sensors reads a collection of sensors in one request where the service can expand it.
func (s *survey) sensors(link string) {
	if link == "" {
		return
	}
	var all redfish.Sensors
	if !s.c.client.Root.Features.Expand.NoLinks || !s.get(link+"?$expand=.", &all) {
		s.get(link, &all)
	}
	for _, m := range all.Members {
		sensor := m.Sensor
		if sensor.Name == "" && !s.get(m.ID, &sensor) {
			continue
		}
		s.add(sensor.Name, sensor.Reading, units(sensor.Units), sensor.Status)
	}
}

// units shortens the names of DMTF DSP2046 (UCUM).
func units(u redfish.Text) string {
	short := map[redfish.Text]string{"Cel": "°C", "RPM": "rpm", "{rev}/min": "rpm", "Percent": "%"}
	if s, ok := short[u]; ok {
		return s
	}
	return string(u)
}

// logs digests the logs of the system, oldest page first.
func (s *survey) logs(collection redfish.Link) {
	var all redfish.Collection
	s.get(collection.ID, &all)
	for i, link := range all.Members {
		var log redfish.LogService
		if i < maxLogs && !noEvents(path.Base(link.ID)) && s.get(link.ID, &log) {
			s.entries(log.Entries.ID)
		}
	}
}

// noEvents tells logs of something other than events: crash dumps, and codes of the start.
func noEvents(id string) bool {
	id = strings.ToLower(id)
	return strings.Contains(id, "dump") || strings.Contains(id, "postcode") || strings.Contains(id, "debugtoken")
}

func (s *survey) entries(link string) {
	counted := 0
	var claimed redfish.Number
	for range maxPages {
		var page redfish.Entries
		if !s.get(link, &page) {
			break
		}
		claimed = page.Count
		for _, e := range page.Members {
			counted++
			s.entry(e)
		}
		if page.Next == "" || page.Next == link {
			break
		}
		link = page.Next
	}
	if claimed.Known && claimed.Value > float64(counted) && claimed.Value < 1<<30 {
		counted = int(claimed.Value)
	}
	s.seen.Log.Entries += counted
}

func (s *survey) entry(e redfish.Entry) {
	if e.Severity == "Critical" {
		s.seen.Log.Critical++
	}
	if at := e.At(); e.Message != "" && (s.seen.Log.Last == "" || at.After(s.seen.Log.LastAt)) {
		s.seen.Log.Last, s.seen.Log.LastAt = string(e.Message), at
	}
}
