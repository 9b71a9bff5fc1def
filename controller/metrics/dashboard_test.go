package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shipped is what has to be right in a dashboard of Grafana for it to be imported and to show something.
type shipped struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Datasource               struct{ Type, UID string }
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ RefID, Expr string }
		FieldConfig              struct{ Defaults struct{ Unit string } }
	}
}

// TestU10_TheDashboardUsesMetricsThatExist: each query is one that Prometheus understands, of names that are shown; panels have a place of their own, a unit and an explanation.
func TestU10_TheDashboardUsesMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d shipped
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Templating.List) != 1 || d.Templating.List[0].Type != "datasource" || len(d.Panels) < 10 {
		t.Errorf("it is not whole: %+v", d)
	}
	shown := everyText(t)
	taken, ids := map[[2]int]string{}, map[int]bool{}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.Type != "prometheus" || p.Datasource.UID != "${"+d.Templating.List[0].Name+"}" || len(p.Targets) != 1 {
			t.Errorf("panel %q is not whole", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies over %q, or beside the grid", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			names := regexp.MustCompile(`steelyard_[a-z0-9_]+`).FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%q asks %q", p.Title, target.Expr)
			}
			for _, name := range names {
				if !strings.Contains(shown, "# TYPE "+name+" ") {
					t.Errorf("%q uses %s, which is not shown", p.Title, name)
				}
			}
			fmt.Fprintf(&rules, "  - record: panel:x%d\n    expr: %q\n", p.ID, target.Expr)
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}
