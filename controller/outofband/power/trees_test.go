package power_test

import (
	"archive/tar"
	"compress/bzip2"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/testdata"
)

// tree is a Redfish service that somebody recorded, by path. It answers GET only.
type tree map[string][]byte

func (tr tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := tr[strings.TrimSuffix(r.URL.Path, "/")]
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method != http.MethodGet:
		http.Error(w, "read-only", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}

// add files a resource under what it calls itself: the file's name does not tell a slash from an underscore.
func (tr tree) add(t testing.TB, name string, body []byte) {
	if !strings.HasSuffix(name, ".json") {
		return
	}
	var self struct {
		ID string `json:"@odata.id"`
	}
	if err := json.Unmarshal(body, &self); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if self.ID == "" {
		self.ID = strings.ReplaceAll(strings.TrimSuffix(filepath.Base(name), ".json"), "_", "/")
	}
	tr[strings.TrimSuffix(self.ID, "/")] = body
}

// readTree reads a directory of resources, or an archive of one.
func readTree(t testing.TB, name string) tree {
	t.Helper()
	tr := tree{}
	path := testdata.Shared(t, "redfish", name)
	if !strings.HasSuffix(name, ".tar.bz2") {
		files, err := filepath.Glob(filepath.Join(path, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal("no resources in ", path, err)
		}
		for _, f := range files {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			tr.add(t, f, body)
		}
		return tr
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := tar.NewReader(bzip2.NewReader(file))
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return tr
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		tr.add(t, header.Name, body)
	}
}

var recorded = []struct {
	name, system string
	want         outofband.Chassis
	sensors      int // that have a value
	some         outofband.Sensor
}{
	{
		name: "supermicro-x10sdv",
		want: outofband.Chassis{
			Manufacturer: "Supermicro", Model: "Super Server", Firmware: "4.0", UUID: "00000000-0000-0000-0000-ac1f6b18a45a", MAC: "ac:1f:6b:18:a2:41",
			Log: outofband.LogDigest{Entries: 65, Last: "[ OEM ] Activate Node Product Key"},
		},
		sensors: 1, some: outofband.Sensor{Name: "System Power Control", Unit: "W", State: "ok"},
	},
	{
		name: "hpe-dl380a-ilo.tar.bz2",
		want: outofband.Chassis{
			Manufacturer: "HPE", Model: "ProLiant DL380a Gen11 -- SIMULATED", Serial: "2M2D2J00L4", UUID: "39343550-3330-4d32-3244-324a30304c34",
			Firmware: "iLO 6 v1.66", MAC: "7c:a6:2a:40:c3:e4",
			Log: outofband.LogDigest{Entries: 467, Critical: 2, Last: "ConnectX-7 200GE 2P NIC Connectivity status changed to OK for adapter in slot 2, port 1"},
		},
		sensors: 36, some: outofband.Sensor{Name: "01-Inlet Ambient", Value: 24, Unit: "°C", State: "ok"},
	},
	{
		name: "supermicro-gb300.tar.bz2", system: "System_0",
		want: outofband.Chassis{
			Manufacturer: "Supermicro", Model: "GB NVL", Serial: "S964512X5913271", Firmware: "70.01.00.09", UUID: "5f1cf000-643d-11f0-8000-7cc25590513a",
			MAC: "7c:c2:55:90:51:3a",
		},
		sensors: 30, some: outofband.Sensor{Name: "Chassis 0 FAN 5 FRONT", Value: 11702, Unit: "rpm", State: "ok"},
	},
}

// Every recorded service is understood: power, boot, identity, firmware, sensors, log.
func TestB34_RecordedServicesAreUnderstood(t *testing.T) {
	for _, tt := range recorded {
		t.Run(tt.name, func(t *testing.T) {
			server, pin := serve(t, readTree(t, tt.name))
			c, err := power.Open(t.Context(), power.Target{Driver: outofband.DriverRedfish, Address: server.URL, System: tt.system, Username: "a", Password: "b", Pin: pin})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if s, err := c.Status(t.Context()); err != nil || s != outofband.On {
				t.Fatalf("status %s, %v", s, err)
			}
			if changed, err := power.TurnOn(t.Context(), c, power.Boot{Device: power.BootNetwork, Once: true}, func(string) {}); changed || err != nil {
				t.Fatalf("turn on a server that is on: %v, %v", changed, err)
			}
			err = c.NextBoot(t.Context(), power.Boot{Device: power.BootNetwork, Once: true})
			if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "405") {
				t.Fatalf("boot override on a read-only service: %v", err)
			}
			got, err := c.Inventory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, tt.want)
			if len(got.Sensors) < tt.sensors {
				t.Errorf("%d sensors, want %d", len(got.Sensors), tt.sensors)
			}
			for _, s := range got.Sensors {
				if s == tt.some {
					return
				}
			}
			t.Errorf("no sensor %+v", tt.some)
		})
	}
}

func compare(t *testing.T, got, want outofband.Chassis) {
	t.Helper()
	if got.Manufacturer != want.Manufacturer || got.Model != want.Model || got.Serial != want.Serial || got.Firmware != want.Firmware || got.UUID != want.UUID || got.MAC != want.MAC {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Log.Entries != want.Log.Entries || got.Log.Critical != want.Log.Critical || got.Log.Last != want.Log.Last {
		t.Errorf("log %+v, want %+v", got.Log, want.Log)
	}
}

// A service with several systems needs to be told which.
func TestB34_ASystemIsChosenByItsID(t *testing.T) {
	server, pin := serve(t, readTree(t, "supermicro-gb300.tar.bz2"))
	for system, want := range map[string]string{"": "System_0, HGX_Baseboard_0", "System_9": "no system"} {
		_, err := power.Open(t.Context(), power.Target{Driver: outofband.DriverRedfish, Address: server.URL, System: system, Username: "a", Password: "b", Pin: pin})
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("system %q: %v", system, err)
		}
	}
}
