package switchport

import (
	"context"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of a walk.
const (
	portion = 60      // values asked for in one GETBULK: about one Ethernet frame of numbers
	columns = 12      // columns asked for at once
	maxRows = 1 << 16 // of a column; a table of learned addresses may have tens of thousands
)

// cursor walks one column.
type cursor struct {
	at     int // which column
	root   string
	last   string // name of the last value
	suffix string // of last, below root
	rows   int
	done   bool
}

// visit takes a value: the column's place in the list, the row's index as text, and
// the value. It returns false when it has seen enough.
type visit func(column int, row string, p gosnmp.SnmpPDU) bool

// walk reads whole columns, several in one request. Rows may be missing in some.
func (d *device) walk(ctx context.Context, roots []string, f visit) error {
	for from := 0; from < len(roots); from += columns {
		part := make([]*cursor, 0, columns)
		for i := from; i < min(from+columns, len(roots)); i++ {
			part = append(part, &cursor{at: i, root: roots[i], last: roots[i]})
		}
		if enough, err := d.walkTogether(ctx, part, f); enough || err != nil {
			return err
		}
	}
	return nil
}

func (d *device) walkTogether(ctx context.Context, all []*cursor, f visit) (enough bool, err error) {
	for active := all; len(active) > 0; {
		vars, err := d.next(ctx, active)
		if err != nil {
			return false, err
		}
		if enough, err := d.advance(active, vars, f); enough || err != nil {
			return enough, err
		}
		left := make([]*cursor, 0, len(active))
		for _, c := range active {
			if !c.done {
				left = append(left, c)
			}
		}
		active = left
	}
	return false, nil
}

// next asks for what follows the cursors. A switch that does not answer GETBULK, or
// answers it with an error, is asked with GETNEXT from then on.
func (d *device) next(ctx context.Context, active []*cursor) ([]gosnmp.SnmpPDU, error) {
	oids := make([]string, len(active))
	for i, c := range active {
		oids[i] = c.last
	}
	if !d.plain {
		reps := uint32(max(1, portion/len(oids)))
		answer, err := d.exchange(ctx, func() (*gosnmp.SnmpPacket, error) { return d.snmp.GetBulk(oids, 0, reps) })
		switch {
		case err == nil && answer.Error == gosnmp.NoError && len(answer.Variables) <= int(reps)*len(oids):
			return answer.Variables, nil
		case err == nil && forbidden(answer.Error):
			return nil, d.refused("read", answer.Error)
		case err != nil && (ctx.Err() != nil || !fault.Is(err, fault.KindUnavailable)):
			return nil, err
		}
		d.plain = true
	}
	return d.nextPlain(ctx, oids)
}

// nextPlain asks with GETNEXT. An agent that answers a whole request with an error
// because of one column is asked for each alone; the column that ends it has no more rows.
func (d *device) nextPlain(ctx context.Context, oids []string) ([]gosnmp.SnmpPDU, error) {
	answer, err := d.exchange(ctx, func() (*gosnmp.SnmpPacket, error) { return d.snmp.GetNext(oids) })
	switch {
	case err != nil:
		return nil, err
	case answer.Error == gosnmp.NoError && len(answer.Variables) == len(oids):
		return answer.Variables, nil
	case forbidden(answer.Error):
		return nil, d.refused("read", answer.Error)
	case len(oids) == 1 && answer.Error == gosnmp.NoSuchName: // how SNMPv1 ends
		return []gosnmp.SnmpPDU{{Name: oids[0], Type: gosnmp.EndOfMibView}}, nil
	case len(oids) == 1:
		return nil, fault.Unavailable("switch %s could not tell what follows %.80s (%s)", d.name, oids[0], answer.Error)
	}
	var vars []gosnmp.SnmpPDU
	for _, oid := range oids {
		one, err := d.nextPlain(ctx, []string{oid})
		if err != nil {
			return nil, err
		}
		vars = append(vars, one...)
	}
	return vars, nil
}

// advance hands out the values of an answer, which lie row by row, and moves the
// cursors on. An answer may be cut anywhere; an empty one ends the walk.
func (d *device) advance(active []*cursor, vars []gosnmp.SnmpPDU, f visit) (enough bool, err error) {
	if len(vars) < len(active) {
		for _, c := range active[len(vars):] {
			c.done = len(vars) == 0 // else it is asked for again, with fewer beside it
		}
	}
	for i, p := range vars {
		c := active[i%len(active)]
		if c.done {
			continue
		}
		row, inside := strings.CutPrefix(p.Name, c.root+".")
		if !inside || !present(p) {
			c.done = true
			continue
		}
		if c.rows++; c.rows > maxRows || !later(row, c.suffix) {
			return false, fault.Unavailable("switch %s does not tell the table %s in order, or without end (at %.80s)", d.name, c.root, p.Name)
		}
		c.last, c.suffix = p.Name, row
		if !f(c.at, row, p) {
			return true, nil
		}
	}
	return false, nil
}

// later reports whether row a follows row b in the order of OIDs.
func later(a, b string) bool {
	for b != "" {
		if a == "" {
			return false
		}
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, err := strconv.ParseUint(x, 10, 32)
		n, _ := strconv.ParseUint(y, 10, 32)
		if err != nil || m < n {
			return false
		}
		if m > n {
			return true
		}
	}
	return a != ""
}

// column reads one column by row.
func (d *device) column(ctx context.Context, root string) (rows []string, values []gosnmp.SnmpPDU, err error) {
	err = d.walk(ctx, []string{root}, func(_ int, row string, p gosnmp.SnmpPDU) bool {
		rows, values = append(rows, row), append(values, p)
		return true
	})
	return rows, values, err
}

// table reads several columns; a row's slice is in the order of the columns, with
// zero values where it has none.
func (d *device) table(ctx context.Context, roots ...string) (map[string][]gosnmp.SnmpPDU, error) {
	rows := map[string][]gosnmp.SnmpPDU{}
	err := d.walk(ctx, roots, func(i int, row string, p gosnmp.SnmpPDU) bool {
		if rows[row] == nil {
			rows[row] = make([]gosnmp.SnmpPDU, len(roots))
		}
		rows[row][i] = p
		return true
	})
	return rows, err
}
