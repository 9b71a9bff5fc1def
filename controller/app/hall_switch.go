package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// rack is one switch.
type rack struct {
	name  string
	agent *snmpsim.Agent
	conn  net.PacketConn
	kept  []byte // settings as they are in the file
}

// portOf is the name that the port of a machine bears.
func portOf(number int) string { return fmt.Sprintf("sim-%05d", number) }

func (h *hall) openRacks(n int) error {
	h.plan.Switches = append(h.plan.Switches, make([]string, n)...)[:n]
	for i, at := range h.plan.Switches {
		conn, err := again(at, func(at string) (net.PacketConn, error) { return net.ListenPacket("udp", at) })
		if err != nil {
			return fault.Unavailable("a simulated switch cannot listen: %w", err)
		}
		h.plan.Switches[i] = conn.LocalAddr().String()
		r, err := h.rack(i)
		if err != nil {
			_ = conn.Close()
			return err
		}
		r.conn = conn
		h.racks = append(h.racks, r)
	}
	return nil
}

// rack makes a switch that comes back as it was: it keeps each change before it answers.
func (h *hall) rack(i int) (*rack, error) {
	r := &rack{name: fmt.Sprintf("demo-switch-%d", i+1)}
	s := snmpsim.NewSwitch(r.name, portsPerSwitch, time.Now, customerVLAN, quarantineVLAN)
	for p := 1; p <= portsPerSwitch; p++ {
		s.Describe(p, portOf(i*portsPerSwitch+p-1))
	}
	path := h.file(r.name + ".json")
	if text, err := os.ReadFile(path); err == nil {
		var list []snmpsim.Setting
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fault.Invalid("%s does not hold the settings of a switch; move it away: %w", path, err)
		}
		s.Restore(list)
	}
	r.agent = &snmpsim.Agent{Tree: s.Tree, Write: h.plan.Community, Changed: func() error { return r.keep(path) }}
	return r, nil
}

func (r *rack) keep(path string) error {
	text, err := json.Marshal(r.agent.Tree.Settings())
	if err != nil || bytes.Equal(text, r.kept) {
		return err
	}
	r.kept = text
	return writeFile(path, text)
}
