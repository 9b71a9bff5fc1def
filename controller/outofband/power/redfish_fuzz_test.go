package power_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
)

// Every resource of a service answered with any bytes: an error or a bounded result, never more. There is a real
// connection in it, so its coverage varies: fuzz it with -fuzzminimizetime 1x.
func FuzzRedfish(f *testing.F) {
	for _, seed := range []string{
		`{"Systems":{"@odata.id":"/s"},"Members":[{"@odata.id":"/s/1"}],"PowerState":"On","Links":{"Chassis":[{"@odata.id":"/c"}],"ManagedBy":[{"@odata.id":"/m"}]},` +
			`"Thermal":{"@odata.id":"/t"},"Temperatures":[{"Name":"a","ReadingCelsius":"12"}],"LogServices":{"@odata.id":"/l"},"Entries":{"@odata.id":"/e"}}`,
		`{"Systems":{"@odata.id":"/s"},"Members":[{"@odata.id":"/s"}],"Members@odata.nextLink":"/s?skip=1","Message":"x","Created":"2026-01-01T00:00:00Z"}`,
		`{"Systems":[],"Members":{}}`, `[[[[`, `null`, `{"Systems":{"@odata.id":7}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		server, pin := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.Header().Set("X-Auth-Token", "t")
			}
			_, _ = io.WriteString(w, body)
		}))
		c, err := power.Open(t.Context(), power.Target{Driver: outofband.DriverRedfish, Address: server.URL, Username: "a", Password: "b", Pin: pin})
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Status(t.Context())
		_ = c.SoftOff(t.Context())
		seen, err := c.Inventory(t.Context())
		if err != nil {
			return
		}
		if len(seen.Sensors) > 512 || seen.Log.Entries < 0 {
			t.Fatalf("%d sensors, %d entries", len(seen.Sensors), seen.Log.Entries)
		}
		for _, s := range append(seen.Sensors, outofband.Sensor{Name: seen.Model}, outofband.Sensor{Name: seen.Log.Last}) {
			if len(s.Name) > 200 || strings.ContainsAny(s.Name, "\x00\n\x1b") || s.Value-s.Value != 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
