package api

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/outofband"
)

type (
	// Power is what is known of whether a server runs, from stored figures (X11).
	Power struct {
		Driver    string    `json:"driver" enum:"ipmi,redfish,wol,agent,manual"`
		State     string    `json:"state" enum:"on,off,unknown"`
		Since     time.Time `json:"since,omitzero"`
		At        time.Time `json:"at,omitzero" doc:"When the management controller last answered."`
		Error     string    `json:"error,omitempty" doc:"Why there is no newer answer."`
		Simulated string    `json:"simulated,omitempty" doc:"What plays the machine, when it is not real."`
	}
	// BMC is a management controller without its password.
	BMC struct {
		Server      string      `json:"server"`
		Driver      string      `json:"driver" enum:"ipmi,redfish,wol,agent,manual"`
		Simulated   string      `json:"simulated,omitempty" doc:"What plays the machine, when it is not real."`
		Address     string      `json:"address,omitempty"`
		System      string      `json:"system,omitempty"`
		Username    string      `json:"username,omitempty"`
		PasswordSet bool        `json:"password_set"`
		MAC         string      `json:"mac,omitempty"`
		AllowWeak   bool        `json:"allow_weak,omitempty"`
		Pin         string      `json:"pin,omitempty" doc:"SHA-256 of the accepted certificate."`
		PinSeen     string      `json:"pin_seen,omitempty" doc:"Of a certificate that waits for approval."`
		PinBy       *fleet.Note `json:"pin_by,omitempty"`
		ChangedAt   time.Time   `json:"changed_at"`
		Rev         int64       `json:"rev"`
	}
	// Switch is a network switch without its secrets.
	Switch struct {
		ID              string    `json:"id"`
		Name            string    `json:"name"`
		Location        string    `json:"location"`
		Driver          string    `json:"driver" enum:"snmp,manual"`
		Simulated       string    `json:"simulated,omitempty" doc:"What plays the switch, when it is not real."`
		Address         string    `json:"address,omitempty"`
		Version         string    `json:"version,omitempty"`
		CommunitySet    bool      `json:"community_set,omitempty"`
		Username        string    `json:"username,omitempty"`
		AuthProtocol    string    `json:"auth,omitempty"`
		AuthPasswordSet bool      `json:"auth_password_set,omitempty"`
		PrivProtocol    string    `json:"priv,omitempty"`
		PrivPasswordSet bool      `json:"priv_password_set,omitempty"`
		QuarantineVLAN  int       `json:"quarantine_vlan"`
		CreatedAt       time.Time `json:"created_at"`
		Rev             int64     `json:"rev"`
	}
	// PortView is a switch port of a server, and how its switch last reported it.
	PortView struct {
		Switch     string    `json:"switch"`
		SwitchName string    `json:"switch_name"`
		Simulated  string    `json:"simulated,omitempty" doc:"What plays the switch, when it is not real."`
		By         string    `json:"by" enum:"name,alias,index,mac,lldp"`
		Value      string    `json:"value"`
		VLAN       int       `json:"vlan,omitempty" doc:"In service."`
		Port       string    `json:"port,omitempty" doc:"Name that the switch has for it."`
		Admin      string    `json:"admin,omitempty"`
		Oper       string    `json:"oper,omitempty"`
		SeenVLAN   int       `json:"seen_vlan,omitempty"`
		At         time.Time `json:"at,omitzero" doc:"When it was seen like this."`
		Error      string    `json:"error,omitempty"`
	}
	// Ports are the switch ports of a server.
	Ports struct {
		Server    string     `json:"server"`
		Ports     []PortView `json:"ports"`
		ChangedAt time.Time  `json:"changed_at,omitzero"`
		Rev       int64      `json:"rev"`
	}
)

func bmcView(b *outofband.BMC, rev int64) BMC {
	return BMC{
		Server: b.Server, Driver: b.Driver, Simulated: b.Simulator, Address: b.Address, System: b.System, Username: b.Username,
		PasswordSet: !b.Password.IsZero(), MAC: b.MAC, AllowWeak: b.AllowWeak, Pin: b.Pin, PinSeen: b.PinSeen, PinBy: b.PinBy,
		ChangedAt: b.ChangedAt, Rev: rev,
	}
}

func switchView(s *outofband.Switch, rev int64) Switch {
	return Switch{
		ID: s.ID, Name: s.Name, Location: s.Location, Driver: s.Driver, Simulated: s.Simulator, Address: s.Address, Version: s.Version,
		CommunitySet: !s.Community.IsZero(), Username: s.Username, AuthProtocol: s.AuthProtocol, AuthPasswordSet: !s.AuthPassword.IsZero(),
		PrivProtocol: s.PrivProtocol, PrivPasswordSet: !s.PrivPassword.IsZero(), QuarantineVLAN: s.QuarantineVLAN, CreatedAt: s.CreatedAt, Rev: rev,
	}
}

// power is what the management controller said last; without its word, a connected
// agent proves that the machine runs.
func (m *machine) power() Power {
	p := Power{Driver: outofband.DriverAgent, State: outofband.Unknown}
	if m.bmc != nil {
		p.Driver, p.Simulated = m.bmc.Driver, m.bmc.Simulator
	}
	if m.seen != nil && m.seen.Power != "" {
		p.State, p.Since, p.At, p.Error = m.seen.Power, m.seen.PowerSince, m.seen.PowerAt, m.seen.PowerError
	}
	if p.State == outofband.Unknown && m.presence != nil {
		p.State, p.Since = outofband.On, m.presence.Since
	}
	return p
}

// portsOf joins what was said of a server's ports with what was seen of them.
func (a *API) portsOf(m *machine) []PortView {
	if m.wiring == nil {
		return nil
	}
	list := make([]PortView, len(m.wiring.Ports))
	for i, p := range m.wiring.Ports {
		v := PortView{Switch: p.Switch, By: p.By, Value: p.Value, VLAN: p.VLAN}
		if r := a.board.sheets["switches"].get(p.Switch); r != nil {
			s := r.value.(*outofband.Switch)
			v.SwitchName, v.Simulated = s.Name, s.Simulator
		}
		if s, ok := m.seenPort(i, p); ok {
			v.Port, v.Admin, v.Oper, v.SeenVLAN, v.At, v.Error = s.Port, s.Admin, s.Oper, s.VLAN, s.At, s.Error
		}
		list[i] = v
	}
	return list
}

// stateOf is the state of all that a server's details show: names of switches are among it.
func (a *API) stateOf(r *row) int64 {
	if m := r.value.(*machine); m.wiring == nil {
		return r.state
	}
	return max(r.state, a.board.sheets["switches"].revision())
}

// seenPort is how port i was seen; not when that was before the present wiring, whose order
// it would not be in.
func (m *machine) seenPort(i int, p outofband.Port) (outofband.Seen, bool) {
	if m.seen == nil || i >= len(m.seen.Ports) {
		return outofband.Seen{}, false
	}
	s := m.seen.Ports[i]
	return s, s.Switch == p.Switch && !s.At.Before(m.wiring.ChangedAt)
}

// addHands adds what only those see who may read how a server is reached.
func (a *API) addHands(v *ServerDetail, m *machine) {
	if m.bmc != nil {
		b := bmcView(m.bmc, a.board.revOf("bmcs", m.server.ID))
		v.BMC = &b
	}
	v.Ports = a.portsOf(m)
	if m.seen != nil {
		v.Chassis = m.seen.Inventory
	}
}

// takeHands takes in a record of how a server is reached, or of what was seen that way.
func (b *board) takeHands(m *machine, d delta, tell bool) {
	old := m.seen
	switch d.table {
	case "bmcs":
		m.bmc, _ = d.value.(*outofband.BMC)
	case "wirings":
		m.wiring, _ = d.value.(*outofband.Wiring)
		m.wiringRev = d.rev
	case "observations":
		m.seen, _ = d.value.(*outofband.Observation)
	case "traffic":
		m.traffic, _ = d.value.(*outofband.Traffic)
	}
	if m.server != nil && tell {
		// The figures of every server change every few minutes: nobody is woken for them.
		b.putMachine(d.id, d.rev, d.table != "traffic" && (d.table != "observations" || !sameSight(old, m.seen)))
	}
}

// sameSight reports whether an observation says what the one before said, only later: the
// row shows the new time, but nobody is woken for it.
func sameSight(before, after *outofband.Observation) bool {
	if before == nil || after == nil {
		return before == after
	}
	return before.Power == after.Power && before.PowerError == after.PowerError &&
		slices.EqualFunc(before.Ports, after.Ports, func(a, b outofband.Seen) bool {
			a.At, b.At = time.Time{}, time.Time{}
			return a == b
		})
}

// nothing reports whether no record of the machine is left.
func (m *machine) nothing() bool {
	return m.server == nil && m.facts == nil && m.presence == nil && m.load == nil && m.bmc == nil && m.wiring == nil && m.seen == nil && m.traffic == nil
}
