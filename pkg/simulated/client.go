package simulated

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Client asks a simulated fleet. Each question is a connection of its own.
type Client struct {
	Socket string // path
}

// Machines lists all of them by number. Faults, as of every method: unavailable when no fleet listens, and what the fleet answers.
func (c Client) Machines(ctx context.Context) ([]Machine, error) {
	var list []Machine
	for from := 0; ; {
		r, err := c.ask(ctx, Request{Do: DoList, From: from})
		if err != nil {
			return nil, err
		}
		list = append(list, r.Machines...)
		if r.Next <= from {
			return list, nil
		}
		from = r.Next
	}
}

// Machine tells how one is. Faults: not_found.
func (c Client) Machine(ctx context.Context, name string) (Machine, error) {
	return c.one(ctx, Request{Do: DoGet, Machine: name})
}

// Power turns a machine on, or cuts its power. A machine that is on or off already stays as it is.
func (c Client) Power(ctx context.Context, name string, to Change) (Machine, error) {
	return c.one(ctx, Request{Do: DoPower, Machine: name, On: to.On, Boot: to.Boot, DelayMillis: to.Delay.Milliseconds()})
}

// Shutdown lets a machine's system stop in order, and then turns it off.
func (c Client) Shutdown(ctx context.Context, name string, delay time.Duration) (Machine, error) {
	return c.one(ctx, Request{Do: DoShutdown, Machine: name, DelayMillis: delay.Milliseconds()})
}

// Leave puts something onto the system of a machine, as a customer does: an inspection finds it.
func (c Client) Leave(ctx context.Context, name, kind, what string) (Machine, error) {
	return c.one(ctx, Request{Do: DoLeave, Machine: name, Kind: kind, Name: what})
}

// Remove takes away what Leave put there; what "" is all of the kind.
func (c Client) Remove(ctx context.Context, name, kind, what string) (Machine, error) {
	return c.one(ctx, Request{Do: DoRemove, Machine: name, Kind: kind, Name: what})
}

func (c Client) one(ctx context.Context, q Request) (Machine, error) {
	r, err := c.ask(ctx, q)
	switch {
	case err != nil:
		return Machine{}, err
	case len(r.Machines) != 1:
		return Machine{}, fault.Internal("the simulated fleet answers with %d machines instead of one", len(r.Machines))
	}
	return r.Machines[0], nil
}

func (c Client) ask(ctx context.Context, q Request) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return Reply{}, fault.Unavailable("no simulated fleet listens (steelyard-agent simulate --control): %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r, err := exchange(conn, q)
	if err != nil {
		return r, fault.Unavailable("ask the simulated fleet: %w", errors.Join(ctx.Err(), err))
	}
	if r.Fault != nil {
		return r, r.Fault
	}
	return r, nil
}

func exchange(conn net.Conn, q Request) (r Reply, err error) {
	line, err := json.Marshal(q)
	if err != nil {
		return r, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return r, err
	}
	answer, err := bufio.NewReader(io.LimitReader(conn, MaxReply)).ReadBytes('\n')
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(answer, &r)
}
