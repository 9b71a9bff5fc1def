package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/simulate/profile"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/simulated"
	"github.com/steelyard/steelyard/protocol"
)

// askers is how many connections to the control socket are served at once; more wait.
const askers = 32

// control answers package simulated's requests.
type control struct {
	agents  []*agent
	serials []string
	uuids   []string
	numbers map[string]int // by serial and UUID
	places  chan struct{}
}

func newControl(f *fleet) *control {
	c := &control{agents: f.agents, numbers: make(map[string]int, 2*len(f.agents)), places: make(chan struct{}, askers)}
	for i := range f.agents {
		inv := profile.Generate(f.opt.Seed, i)
		c.serials, c.uuids = append(c.serials, inv.Identity.SystemSerial), append(c.uuids, inv.Identity.UUID)
		c.numbers[c.serials[i]], c.numbers[c.uuids[i]] = i, i
	}
	return c
}

// run serves until ctx ends, and then returns nil. It closes ln.
func (c *control) run(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer func() { stop(); _ = ln.Close() }()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		select {
		case c.places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fault.Unavailable("the control socket of the simulated fleet: %w", err)
		}
		serving.Go(func() {
			defer func() { <-c.places }()
			c.serve(ctx, conn)
		})
	}
}

// serve answers line by line until the other side is silent or says nonsense.
func (c *control) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { stop(); _ = conn.Close() }()
	lines := bufio.NewReaderSize(conn, simulated.MaxLine)
	for {
		if conn.SetDeadline(time.Now().Add(simulated.Patience)) != nil {
			return
		}
		line, err := lines.ReadSlice('\n')
		var reply simulated.Reply
		switch {
		case err == nil:
			reply = c.answer(line)
		case errors.Is(err, bufio.ErrBufferFull):
			reply.Fault = fault.Invalid("a request has at most %d bytes", simulated.MaxLine)
		default:
			return
		}
		text, bad := json.Marshal(reply)
		if bad != nil {
			return
		}
		if _, bad := conn.Write(append(text, '\n')); bad != nil || err != nil {
			return
		}
	}
}

func (c *control) answer(line []byte) simulated.Reply {
	var q simulated.Request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return simulated.Reply{Fault: fault.Invalid("the request is no request: %w", err)}
	}
	r, err := c.do(q)
	if err != nil {
		return simulated.Reply{Fault: fault.From(err)}
	}
	return r
}

func (c *control) do(q simulated.Request) (simulated.Reply, error) {
	if err := check(q); err != nil {
		return simulated.Reply{}, err
	}
	if q.Do == simulated.DoList {
		return c.list(q.From), nil
	}
	n, err := c.find(q.Machine)
	if err != nil {
		return simulated.Reply{}, err
	}
	p := c.agents[n].power
	delay := time.Duration(q.DelayMillis) * time.Millisecond
	switch {
	case q.Do == simulated.DoShutdown:
		p.after(delay, func() { p.turnOff(errOff) })
	case q.Do == simulated.DoPower && q.On:
		p.after(delay, func() { p.turnOn(q.Boot) })
	case q.Do == simulated.DoPower:
		p.after(delay, func() { p.turnOff(errCut) })
	case q.Do == simulated.DoLeave:
		c.agents[n].hands().Leave(q.Kind, protocol.Found{Name: q.Name})
	case q.Do == simulated.DoRemove:
		c.agents[n].hands().Remove(q.Kind, q.Name)
	}
	return simulated.Reply{Machines: []simulated.Machine{c.machine(n)}}, nil
}

// check tells everything that is wrong with a request.
func check(q simulated.Request) error {
	var c fault.Check
	switch q.Do {
	case simulated.DoList, simulated.DoGet, simulated.DoPower, simulated.DoShutdown:
	case simulated.DoLeave, simulated.DoRemove:
		c.Require(slices.Contains(protocol.InspectKinds, q.Kind), "kind", "%q is none of %s", q.Kind, strings.Join(protocol.InspectKinds, ", "))
		c.Require(q.Name != "" || q.Do == simulated.DoRemove, "name", "is empty")
	default:
		c.Add("do", "%q is none of list, get, power, shutdown, leave, remove", q.Do)
	}
	switch q.Boot {
	case "", simulated.BootDisk, simulated.BootNetwork:
	default:
		c.Add("boot", "%q is neither disk nor network", q.Boot)
	}
	c.Require(q.DelayMillis >= 0 && q.DelayMillis <= simulated.MaxDelay.Milliseconds(), "delay_ms", "%d is not 0 to %d", q.DelayMillis, simulated.MaxDelay.Milliseconds())
	c.Require(q.From >= 0, "from", "is negative")
	return c.Err("a machine cannot be switched like this")
}

func (c *control) list(from int) simulated.Reply {
	var r simulated.Reply
	end := min(max(from, 0)+simulated.MaxList, len(c.agents))
	for n := from; n < end; n++ {
		r.Machines = append(r.Machines, c.machine(n))
	}
	if end < len(c.agents) {
		r.Next = end
	}
	return r
}

func (c *control) find(name string) (int, error) {
	for _, name := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
		if n, ok := c.numbers[name]; ok {
			return n, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(c.agents) {
		return n, nil
	}
	return 0, fault.NotFound("this fleet has no machine with number, serial or UUID %q", name)
}

func (c *control) machine(n int) simulated.Machine {
	on, boot, _ := c.agents[n].power.state()
	m := simulated.Machine{Number: n, Serial: c.serials[n], UUID: c.uuids[n], Power: simulated.Off, Boot: boot, BootID: c.agents[n].bootID()}
	if on {
		m.Power = simulated.On
	}
	return m
}
