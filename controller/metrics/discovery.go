package metrics

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/steelyard/steelyard/controller/core/fleet"
)

// target is one group of what Prometheus finds by HTTP.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// levels are what each replica shows, by path.
var levels = [...]struct{ name, path string }{
	{"fleet", "/metrics"}, {"servers", "/metrics/servers"}, {"accounts", "/metrics/accounts"},
}

// Discovery tells Prometheus where all replicas show all figures (HTTP service discovery), those of accounts if they show them: a target that answers 404 would look like a replica that is down.
// The label level keeps their up series apart.
func Discovery(accounts bool, replicas func() []fleet.Replica) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		list := []target{} // Prometheus wants a list, also an empty one
		here := replicas()
		slices.SortFunc(here, func(a, b fleet.Replica) int {
			return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.ID, b.ID))
		})
		here = slices.CompactFunc(here, func(a, b fleet.Replica) bool { return a.Address == b.Address }) // one that was started again before its last lease ran out
		for _, r := range here {
			for _, l := range levels {
				if l.name == "accounts" && !accounts {
					continue
				}
				list = append(list, target{Targets: []string{r.Address}, Labels: map[string]string{"__metrics_path__": l.path, "__scheme__": r.Scheme, "level": l.name}})
			}
		}
		w.Header().Set("Content-Type", "application/json") // Prometheus refuses others
		_ = json.NewEncoder(w).Encode(list)                // the reader is gone when this fails
	})
}
