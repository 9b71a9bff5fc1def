package snmpsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// maxAnswer bounds an answer, so that it fits into one Ethernet frame.
const maxAnswer = 1400

// maxRequest bounds the objects of one request.
const maxRequest = 128

// Agent answers for a tree.
type Agent struct {
	Tree  *Tree
	Write string // community that may read and write
	Read  string // community that may only read; "" is none

	// Changed is called after a SET was done and before it is answered; an error is answered as
	// commitFailed. Nil is nothing.
	Changed func() error
}

// Serve answers on conn until ctx ends, then closes it and returns nil. Requests that
// are not understood are dropped.
func (a *Agent) Serve(ctx context.Context, conn net.PacketConn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("the socket of the SNMP agent was closed: %w", err)
		case err != nil: // an ICMP answer to an earlier packet
			continue
		}
		if answer := a.Answer(buffer[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // a lost answer is asked for again
		}
	}
}

// Answer makes the answer to one message; nil is none.
func (a *Agent) Answer(request []byte) []byte {
	p := decode(request)
	if p == nil || p.Version != gosnmp.Version2c || len(p.Variables) > maxRequest {
		return nil
	}
	write := a.Write != "" && p.Community == a.Write
	if !write && (a.Read == "" || p.Community != a.Read) {
		return nil
	}
	answer := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: p.Community, PDUType: gosnmp.GetResponse, RequestID: p.RequestID}
	switch p.PDUType {
	case gosnmp.GetRequest:
		answer.Variables = a.get(p.Variables)
	case gosnmp.GetNextRequest:
		answer.Variables = a.bulk(p.Variables, 0, 1)
	case gosnmp.GetBulkRequest:
		answer.Variables = a.bulk(p.Variables, int(p.NonRepeaters), int(p.MaxRepetitions))
	case gosnmp.SetRequest:
		answer.Variables = p.Variables
		answer.Error, answer.ErrorIndex = a.set(p.Variables, write)
		if answer.Error == gosnmp.NoError && a.Changed != nil && a.Changed() != nil {
			answer.Error = gosnmp.CommitFailed
		}
	default:
		return nil
	}
	return fit(answer, p)
}

// decode reads a request; nil when it is none. The library's decoder is made for
// answers of switches: what it may do with others is caught.
func decode(request []byte) (p *gosnmp.SnmpPacket) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(slices.Clone(request))
	if err != nil {
		return nil
	}
	return p
}

// fit marshals the answer. One to GETBULK is cut until it fits; another is tooBig.
func fit(answer, request *gosnmp.SnmpPacket) []byte {
	for {
		b, err := answer.MarshalMsg()
		switch {
		case err == nil && len(b) <= maxAnswer:
			return b
		case request.PDUType == gosnmp.GetBulkRequest && len(answer.Variables) > 1:
			answer.Variables = answer.Variables[:len(answer.Variables)*3/4]
			continue
		case len(answer.Variables) == 0:
			return nil
		}
		answer.Error, answer.Variables = gosnmp.TooBig, nil
	}
}

func (a *Agent) get(vars []gosnmp.SnmpPDU) []gosnmp.SnmpPDU {
	a.Tree.mu.RLock()
	defer a.Tree.mu.RUnlock()
	out := make([]gosnmp.SnmpPDU, 0, len(vars))
	for _, p := range vars {
		v := Value{Type: gosnmp.NoSuchInstance}
		if k, err := parseKey(p.Name); err == nil {
			if found, ok := a.Tree.get(k); ok {
				v = found
			}
		}
		out = append(out, gosnmp.SnmpPDU{Name: p.Name, Type: v.Type, Value: v.Data})
	}
	return out
}

// bulk answers GETBULK, and GETNEXT as the case of one repetition.
func (a *Agent) bulk(vars []gosnmp.SnmpPDU, once, repetitions int) []gosnmp.SnmpPDU {
	a.Tree.mu.RLock()
	defer a.Tree.mu.RUnlock()
	once = min(max(once, 0), len(vars))
	out := make([]gosnmp.SnmpPDU, 0, len(vars))
	for _, p := range vars[:once] {
		out = append(out, a.after(p.Name))
	}
	names := make([]string, 0, len(vars))
	for _, p := range vars[once:] {
		names = append(names, p.Name)
	}
	for range min(repetitions, 2*maxRequest) {
		for i, name := range names {
			p := a.after(name)
			names[i] = p.Name
			out = append(out, p)
		}
		if len(out) > 2*maxRequest {
			break // more than fits anyway
		}
	}
	return out
}

func (a *Agent) after(name string) gosnmp.SnmpPDU {
	k, err := parseKey(name)
	if err == nil {
		if next, v, ok := a.Tree.next(k); ok {
			return gosnmp.SnmpPDU{Name: next.String(), Type: v.Type, Value: v.Data}
		}
	}
	return gosnmp.SnmpPDU{Name: "." + strings.TrimPrefix(name, "."), Type: gosnmp.EndOfMibView}
}

// set writes all objects, or none and tells which was wrong.
func (a *Agent) set(vars []gosnmp.SnmpPDU, allowed bool) (gosnmp.SNMPError, uint8) {
	if !allowed {
		return gosnmp.NoAccess, 1
	}
	a.Tree.mu.Lock()
	defer a.Tree.mu.Unlock()
	for i, p := range vars {
		if e := a.Tree.check(p); e != gosnmp.NoError {
			return e, uint8(i + 1)
		}
	}
	for _, p := range vars {
		a.Tree.write(p)
	}
	return gosnmp.NoError, 0
}
