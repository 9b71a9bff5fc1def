package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// panel is what is drawn of a panel of a dashboard.
type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Custom     struct{ Stacking struct{ Mode string } }
			Thresholds *struct {
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
	}
}

type dashboard struct {
	Title  string
	Panels []panel
}

func main() {
	file := flag.String("dashboard", "deploy/grafana/dashboard.json", "the dashboard")
	address := flag.String("prometheus", "http://127.0.0.1:9090", "where Prometheus answers")
	minutes := flag.Int("minutes", 60, "how far graphs go back")
	flag.Parse()
	if err := draw(*file, *address, time.Duration(*minutes)*time.Minute); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(file, address string, back time.Duration) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	to := time.Now().Truncate(time.Second)
	s := newSketch(&d, to.Add(-back), to)
	for i := range d.Panels {
		p := &d.Panels[i]
		found, err := ask(address, p, to.Add(-back), to)
		if err != nil {
			return fmt.Errorf("panel %q: %w", p.Title, err)
		}
		s.panel(p, found)
	}
	_, err = os.Stdout.WriteString(s.end())
	return err
}
