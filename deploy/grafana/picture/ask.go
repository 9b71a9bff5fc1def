package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"time"
)

// point is a value at a moment.
type point struct {
	at    float64 // seconds since 1970
	value float64
}

// line is one series of an answer, oldest point first.
type line struct {
	name   string
	points []point
}

func (l *line) last() float64 { return l.points[len(l.points)-1].value }

var client = http.Client{Timeout: 30 * time.Second}

// ask asks the first query of a panel: graphs for a span, others for now. Series come by size where there is one value of each, else by name.
func ask(address string, p *panel, from, to time.Time) ([]line, error) {
	if len(p.Targets) == 0 {
		return nil, fmt.Errorf("it has no query")
	}
	t := p.Targets[0]
	q, path := url.Values{"query": {t.Expr}}, "/api/v1/query"
	if p.Type == "timeseries" {
		path = "/api/v1/query_range"
		q.Set("start", strconv.FormatInt(from.Unix(), 10))
		q.Set("end", strconv.FormatInt(to.Unix(), 10))
		q.Set("step", strconv.Itoa(max(int(to.Sub(from).Seconds())/120, 1)))
	} else {
		q.Set("time", strconv.FormatInt(to.Unix(), 10))
	}
	found, err := get(address+path+"?"+q.Encode(), t.LegendFormat)
	sort.Slice(found, func(i, j int) bool {
		if p.Type == "bargauge" && found[i].last() != found[j].last() {
			return found[i].last() > found[j].last()
		}
		return found[i].name < found[j].name
	})
	return found, err
}

func get(address, legend string) ([]line, error) {
	res, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("prometheus answers %d: %s", res.StatusCode, answer.Error)
	}
	var found []line
	for _, r := range answer.Data.Result {
		l := line{name: named(legend, r.Metric)}
		if r.Value[1] != nil {
			r.Values = append(r.Values, r.Value)
		}
		for _, v := range r.Values {
			at, _ := v[0].(float64)
			text, _ := v[1].(string)
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				l.points = append(l.points, point{at, n})
			}
		}
		if len(l.points) > 0 {
			found = append(found, l)
		}
	}
	return found, nil
}

var label = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// named fills the labels of a series into the legend.
func named(legend string, labels map[string]string) string {
	return label.ReplaceAllStringFunc(legend, func(s string) string { return labels[label.FindStringSubmatch(s)[1]] })
}
