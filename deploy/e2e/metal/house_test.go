package metal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
	"github.com/steelyard/steelyard/deploy/e2e/metal/system"
)

// debian is the image that customers order, made once.
var debian = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	image := filepath.Join(scratch, "debian.img")
	return image, system.Build(ctx, filepath.Dir(qemu.Cache()), image)
})

// house is a controller that boots, switches and installs the machines of a rack.
type house struct {
	*controller
	location, module, swi, image string
	key, line                    string // the customer's key: file, and line of an order
}

// newHouse furnishes it.
func newHouse(t *testing.T) *house {
	t.Helper()
	qemu.Need(t, append(system.Programs, "ipmi_sim", "snmpd", "ping")...)
	ram := environment(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	r := rack.New(t)
	newSwitch(t, r)
	h := &house{controller: newController(t, r,
		"--netboot", rack.Bridge+"=dhcp:10.77.0.100-10.77.0.200", "--netboot-http", rack.Address+":8081", "--ramenv", ram)}
	var loc, mod, swi, img struct{ ID string }
	h.must("POST", "/v1/locations", object{"name": "Hall", "external_id": "hall"}, &loc)
	h.must("POST", "/v1/pools", object{"name": "hall", "location": loc.ID, "prefix": "10.77.0.0/24", "gateway": rack.Address, "reserved": []string{"10.77.0.100-10.77.0.200"}}, nil)
	h.must("POST", "/v1/modules", object{
		"name": "own", "kind": "local", "location": loc.ID, "department": "hall",
		"diagtimeout": 30, "installtimeout_linux": 30, "installtimeout_windows": 60,
	}, &mod)
	h.must("POST", "/v1/switches", object{
		"name": "switch", "location": loc.ID, "driver": "snmp", "version": "2c", "address": rack.Address + ":161", "community": community,
	}, &swi)
	h.upload(image, &img)
	h.location, h.module, h.swi, h.image = loc.ID, mod.ID, swi.ID, img.ID
	h.key, h.line = keyPair(t)
	return h
}

// upload imports an image with the operator's own command.
func (h *house) upload(image string, into *struct{ ID string }) {
	h.t.Helper()
	dir, err := bin()
	if err != nil {
		h.t.Fatal(err)
	}
	ca := between(h.out.String(), "authority: ", ")")
	p := launch(h.t, h.rack.Command(filepath.Join(dir, "steelyard"), "image", "import", image, "--name", "debian"),
		"STEELYARD_URL=https://127.0.0.1:8080", "STEELYARD_TOKEN="+h.token, "STEELYARD_CA="+ca)
	eventually(h.t, "the image is imported", p.over)
	var list struct{ Items []struct{ ID string } }
	h.must("GET", "/v1/images", nil, &list)
	if len(list.Items) != 1 {
		h.t.Fatal(p.out.String())
	}
	into.ID = list.Items[0].ID
}

// known is what the API tells of a server.
type known struct {
	ID, Name, Approval, Environment, Cleanliness string
	Connected, Available                         bool
	Power                                        struct{ State string }
	Configuration                                json.RawMessage
	Reasons                                      []struct{ Rule, Message string }
}

// as is the house seen by a part of the test that runs beside others.
func (h *house) as(t *testing.T) *house {
	part, c := *h, *h.controller
	c.t = t
	part.controller = &c
	return &part
}

// find waits until a server of this name is connected from memory.
func (h *house) find(name string) known {
	h.t.Helper()
	var list struct{ Items []known }
	var found known
	eventually(h.t, name+" has enrolled", func() bool {
		h.try("GET", "/v1/servers?all=true", nil, &list)
		for _, s := range list.Items {
			if s.Name == name && s.Connected {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// server reads one.
func (h *house) server(id string) (s known) {
	h.t.Helper()
	h.must("GET", "/v1/servers/"+id, nil, &s)
	return s
}

// operation is what the API tells of one.
type step struct{ Name, State, Message, Detail string }

type op struct {
	ID, Kind, State, Message string
	Current                  int
	Steps                    []step
}

// done waits until an operation has succeeded; each new step is told.
func (h *house) done(id string) op {
	h.t.Helper()
	var o op
	last := ""
	began := time.Now()
	for end := time.Now().Add(20 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if status, _ := h.try("GET", "/v1/operations/"+id, nil, &o); status != 200 {
			continue
		}
		now := o.State + " " + o.Message
		if o.Current < len(o.Steps) {
			now = o.Steps[o.Current].Name + ": " + now
		}
		if now != last {
			h.t.Logf("%6.1f s: %s %s", time.Since(began).Seconds(), o.Kind, now)
			last = now
		}
		switch o.State {
		case "done":
			return o
		case "failed", "held", "canceled":
			var raw json.RawMessage
			h.try("GET", "/v1/operations/"+id, nil, &raw)
			h.t.Fatalf("%s is %s: %s", o.Kind, o.State, raw)
		}
	}
	h.t.Fatalf("%s took too long: %s", o.Kind, last)
	return o
}

// start begins an operation on a server by hand and waits for it.
func (h *house) start(server, kind string) {
	h.t.Helper()
	var o struct{ ID string }
	if status, text := h.try("POST", "/v1/servers/"+server+"/operations", object{"kind": kind}, &o); status < 200 || status > 299 {
		h.t.Logf("%s was not begun by hand: %s", kind, text) // the controller begins what a server needs by itself
		return
	}
	h.done(o.ID)
}

// latest waits for the newest operation of a kind on a server, another one than those before.
func (h *house) latest(server, kind string, before ...string) (id string) {
	h.t.Helper()
	eventually(h.t, "there is an operation "+kind, func() bool {
		var list struct{ Items []op }
		status, _ := h.try("GET", "/v1/operations?all=true&kind="+kind+"&server="+server, nil, &list)
		for _, o := range list.Items {
			if id = o.ID; status == 200 && !slices.Contains(before, id) {
				return true
			}
		}
		return false
	})
	return id
}

// admit makes a server that has enrolled available.
func (h *house) admit(s *server) known {
	h.t.Helper()
	return h.ready(h.approve(s))
}

// approve takes a server that has enrolled into service, and tells how it is wired.
func (h *house) approve(s *server) (id string) {
	h.t.Helper()
	k := h.find(s.Name)
	if k.Approval != "pending" {
		h.t.Fatalf("an unknown machine is %s", k.Approval)
	}
	if err := s.run.WaitLine("has to approve this machine", patience); err != nil {
		h.t.Fatal(err)
	}
	h.must("POST", "/v1/servers/"+k.ID+"/approve", object{"commission": true, "reason": "delivered today"}, nil)
	h.must("POST", "/v1/servers/"+k.ID+"/move", object{"location": h.location, "reason": "its place"}, nil)
	h.must("PUT", "/v1/servers/"+k.ID+"/bmc", object{"driver": "ipmi", "address": s.BMC, "username": bmcUser, "password": bmcPassword}, nil)
	h.must("PUT", "/v1/servers/"+k.ID+"/ports", object{"ports": []object{{"switch": h.swi, "by": "name", "value": s.Port}}}, nil)
	return k.ID
}

// ready brings a server to where it can be ordered: whatever runs on it ends, and what keeps it from being available is done.
func (h *house) ready(id string) known {
	h.t.Helper()
	for range 12 {
		var list struct{ Items []op }
		h.must("GET", "/v1/operations?all=true&server="+id, nil, &list)
		running := slices.IndexFunc(list.Items, func(o op) bool { return !slices.Contains([]string{"done", "failed", "canceled"}, o.State) })
		if running >= 0 {
			h.done(list.Items[running].ID)
			continue
		}
		k := h.server(id)
		switch {
		case k.Available:
			return k
		case k.fails("X3"):
			h.start(id, "erase")
		case k.fails("B18"):
			h.start(id, "diagnose")
		default:
			h.t.Fatalf("%s is not available: %+v", k.Name, k.Reasons)
		}
	}
	h.t.Fatalf("%s does not become available: %+v", id, h.server(id).Reasons)
	return known{}
}

// fails tells whether a rule keeps the server from being available.
func (k known) fails(rule string) bool {
	return slices.ContainsFunc(k.Reasons, func(r struct{ Rule, Message string }) bool { return r.Rule == rule })
}

// order orders exactly this server's configuration and waits until the service is active.
func (h *house) order(k known) (service, address string) {
	h.t.Helper()
	var tariff struct{ ID string }
	h.must("POST", "/v1/tariffs", object{"name": k.Name, "configuration": k.Configuration, "modules": []string{h.module}}, &tariff)
	var o struct{ ID, Server, Service string }
	h.must("POST", "/v1/orders", object{"tariff": tariff.ID, "image": h.image, "customer": "ann", "hostname": k.Name + ".example.net", "ssh_keys": []string{h.line}}, &o)
	eventually(h.t, "the order has the server", func() bool {
		h.try("GET", "/v1/orders/"+o.ID, nil, &o)
		return o.Server != ""
	})
	if o.Server != k.ID {
		h.t.Fatalf("the order got %s, not the one that fits exactly", o.Server)
	}
	h.done(h.latest(k.ID, "install"))
	h.serviceIs(o.Service, "active")
	var list struct {
		Items []struct{ Address, Server string }
	}
	h.must("GET", "/v1/addresses?all=true", nil, &list)
	for _, a := range list.Items {
		if a.Server == k.ID {
			address = a.Address
		}
	}
	return o.Service, address
}

func (h *house) serviceIs(id, state string) {
	h.t.Helper()
	eventually(h.t, "the service is "+state, func() bool {
		var s struct{ State string }
		status, _ := h.try("GET", "/v1/services/"+id, nil, &s)
		return status == 200 && s.State == state
	})
}

// letter is what the installed system of a host writes on its disk when it starts; it is nowhere in the image.
func letter(host string) string {
	sum := sha256.Sum256([]byte("dear " + host + "\n"))
	return hex.EncodeToString(sum[:])
}

// onDisk looks for bytes on a raw disk, from outside the machine.
func onDisk(t *testing.T, d qemu.Disk, what string) bool {
	t.Helper()
	f, err := os.Open(d.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	window := make([]byte, 4<<20+len(what))
	for at := int64(0); ; at += 4 << 20 {
		n, err := f.ReadAt(window, at)
		if bytes.Contains(window[:n], []byte(what)) {
			return true
		}
		if err == io.EOF {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
