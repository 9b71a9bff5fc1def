package switchport

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Find resolves a selector to one port and reads it.
func (d *device) Find(ctx context.Context, by, value string) (Port, error) {
	ctx, done, err := d.take(ctx)
	defer done()
	if err != nil {
		return Port{}, err
	}
	found, err := d.search(ctx, by, value)
	if err != nil {
		return Port{}, err
	}
	switch len(found) {
	case 0:
		return Port{}, fault.NotFound("switch %s has no port with %s %q%s", d.name, by, value, hint(by))
	case 1:
		return d.port(ctx, found[0])
	}
	return Port{}, d.ambiguous(ctx, by, value, found)
}

// hint says why a port may not be found although it is there.
func hint(by string) string {
	switch by {
	case outofband.ByMAC:
		return ": nothing with this address was heard lately; a port that is shut, or whose machine is off, is found by name only"
	case outofband.ByLLDP:
		return ": no neighbour says so; a port that is shut, or whose machine does not send LLDP, is found by name only"
	}
	return ""
}

// search gives the indexes of all ports that match.
func (d *device) search(ctx context.Context, by, value string) ([]int, error) {
	switch by {
	case outofband.ByIndex:
		i := ifIndex(value)
		if i == 0 {
			return nil, fault.Invalid("%.40q is no index of a port; use a whole number from 1", value)
		}
		return []int{i}, nil
	case outofband.ByName:
		if found, err := d.called(ctx, ifName, value); len(found) > 0 || err != nil {
			return found, err
		}
		return d.called(ctx, ifDescr, value)
	case outofband.ByAlias:
		return d.called(ctx, ifAlias, value)
	case outofband.ByMAC:
		mac, err := parseMAC(value)
		if err != nil {
			return nil, err
		}
		return d.learned(ctx, mac)
	case outofband.ByLLDP:
		mac, err := parseMAC(value)
		if err != nil {
			return nil, err
		}
		return d.heard(ctx, mac)
	}
	return nil, fault.Invalid("a port cannot be selected by %.40q; use name, alias, index, mac or lldp", by)
}

// called finds the rows whose text is exactly the value.
func (d *device) called(ctx context.Context, column, value string) ([]int, error) {
	if strings.TrimSpace(value) == "" {
		return nil, fault.Invalid("the name of a port is empty")
	}
	rows, values, err := d.column(ctx, column)
	if err != nil {
		return nil, err
	}
	var found []int
	for i, row := range rows {
		if index := ifIndex(row); index > 0 && text(values[i]) == value {
			found = append(found, index)
		}
	}
	return found, nil
}

// ambiguous names the ports that match.
func (d *device) ambiguous(ctx context.Context, by, value string, found []int) error {
	slices.Sort(found)
	names := make([]string, 0, 3)
	for _, index := range found[:min(len(found), 3)] {
		name := "?"
		if got, err := d.get(ctx, ifName+"."+strconv.Itoa(index)); err == nil {
			for _, p := range got {
				name = text(p)
			}
		}
		names = append(names, fmt.Sprintf("%s (index %d)", name, index))
	}
	if n := len(found) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return fault.Conflict("switch %s has %d ports with %s %q: %s; select the one that is meant by name or index", d.name, len(found), by, value, strings.Join(names, ", "))
}
