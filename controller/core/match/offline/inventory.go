package offline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Inventories reads an inventory file. Ids are unique; faults are invalid and
// name the element and field, "inventory[2].configuration.disks".
func Inventories(data []byte) ([]match.Server, error) {
	if err := checkSize("inventory", data); err != nil {
		return nil, err
	}
	elements, err := split(data)
	if err != nil {
		return nil, err
	}
	if len(elements) == 0 {
		return nil, fault.Invalid("the inventory file lists no machine")
	}
	if len(elements) > MaxServers {
		return nil, fault.Invalid("the inventory file lists %d machines; %d are the most", len(elements), MaxServers)
	}
	r := reader{seen: map[string]bool{}}
	for i, e := range elements {
		if err := r.read(e, i); err != nil {
			return nil, err
		}
	}
	return r.servers, nil
}

// split finds the elements of an array, of {"items": […]}, or of JSON lines.
func split(data []byte) ([]json.RawMessage, error) {
	var all []json.RawMessage
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var e json.RawMessage
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, explain(err, data, "inventory")
		}
		inner, err := unwrap(e)
		if err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
}

func unwrap(e json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if bytes.HasPrefix(e, []byte("[")) {
		return list, decode(e, "inventory", false, &list)
	}
	var page struct {
		Items *[]json.RawMessage `json:"items"`
	}
	if bytes.Contains(e, []byte(`"items"`)) && json.Unmarshal(e, &page) == nil && page.Items != nil {
		return *page.Items, nil
	}
	return []json.RawMessage{e}, nil
}

type reader struct {
	servers []match.Server
	seen    map[string]bool
}

// element is everything that an element may be at the top.
type element struct {
	ID            string                  `json:"id"`
	Location      string                  `json:"location"`
	ServerType    string                  `json:"server_type"`
	FreeSince     int64                   `json:"free_since"`
	Inventory     *hardware.Inventory     `json:"inventory"`
	Configuration *hardware.Configuration `json:"configuration"`
}

func (r *reader) read(data json.RawMessage, i int) error {
	path := fmt.Sprintf("inventory[%d]", i)
	data, err := sized(data, path)
	if err != nil {
		return err
	}
	s, named, err := server(data, path)
	if err != nil {
		return err
	}
	if s.ID == "" {
		s.ID = fmt.Sprintf("#%d", i+1)
	}
	if r.seen[s.ID] {
		if named {
			return wrongField(path, "id", fmt.Sprintf("is %q, like an element before it; each machine needs its own", s.ID))
		}
		s.ID = r.unused(fmt.Sprintf("%s #%d", s.ID, i+1)) // boards of one batch share a serial number
	}
	r.seen[s.ID] = true
	r.servers = append(r.servers, s)
	return nil
}

func (r *reader) unused(id string) string {
	for r.seen[id] {
		id += "+"
	}
	return id
}

func server(data json.RawMessage, path string) (s match.Server, named bool, err error) {
	var fields map[string]json.RawMessage
	if err := decode(data, path, false, &fields); err != nil {
		return s, false, err
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := fields[n]; ok {
				return true
			}
		}
		return false
	}
	switch {
	case has("configuration", "inventory"):
		return wrapped(data, path)
	case has("schema", "cpus", "identity", "memory", "sections"):
		var inv hardware.Inventory
		err = decode(data, path, false, &inv)
		return match.Server{ID: nameOf(&inv), Configuration: folded(&inv)}, false, err
	case has("arch", "cpu_model", "sockets", "cores", "memory_bytes", "dimms", "disks", "nics", "gpus"):
		err = decode(data, path, false, &s.Configuration)
		s.Configuration = s.Configuration.AsSold()
		return s, false, err
	}
	return s, false, fault.Invalid("%s holds neither an inventory nor a configuration; "+
		"write what `steelyard-agent inventory -o json` prints, or {\"id\": …, \"configuration\": {…}}", path)
}

func wrapped(data json.RawMessage, path string) (match.Server, bool, error) {
	var e element
	if err := decode(data, path, false, &e); err != nil {
		return match.Server{}, false, err
	}
	s := match.Server{ID: e.ID, Location: e.Location, ServerType: e.ServerType, FreeSince: e.FreeSince}
	switch {
	case e.Configuration != nil:
		s.Configuration = e.Configuration.AsSold()
	case e.Inventory != nil:
		s.Configuration = folded(e.Inventory)
		s.ID = cmp.Or(s.ID, nameOf(e.Inventory))
	default:
		return s, false, wrongField(path, "configuration", "is null; give what the machine is made of")
	}
	return s, e.ID != "", nil
}

func folded(inv *hardware.Inventory) hardware.Configuration {
	inv.Clean()
	return inv.Configuration()
}

func nameOf(inv *hardware.Inventory) string {
	return cmp.Or(inv.Identity.SystemSerial, inv.Identity.UUID, inv.OS.Hostname)
}
