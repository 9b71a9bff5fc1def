package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// Sizes in units of the picture.
const (
	column, row = 46, 30 // of the dashboard's grid
	gap         = 8
	top         = 40
)

// ink are the colours of lines, told apart also when they are seen in grey; each line is named in words besides.
var ink = []string{"#1f77b4", "#e8871e", "#2a9d4a", "#8e5bb5", "#555555", "#c23b80"}

var words = map[string]string{"green": "#2a7f3f", "orange": "#b86e00", "red": "#c4162a"}

type sketch struct {
	b        strings.Builder
	from, to time.Time
}

func newSketch(d *dashboard, from, to time.Time) *sketch {
	s := &sketch{from: from, to: to}
	height := 0
	for i := range d.Panels {
		height = max(height, d.Panels[i].GridPos.Y+d.Panels[i].GridPos.H)
	}
	w, h := 24*column+gap, height*row+top+gap
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" role="img">`+"\n", w, h, w)
	fmt.Fprintf(&s.b, `<title>%s</title><rect width="%d" height="%d" fill="#f4f5f5"/>`+"\n", html.EscapeString(d.Title), w, h)
	s.text(gap+4, 26, 17, "#111", "start", d.Title)
	s.text(float64(w-gap-4), 26, 12, "#444", "end", "until "+to.UTC().Format("2006-01-02 15:04")+" UTC")
	return s
}

func (s *sketch) end() string { return s.b.String() + "</svg>\n" }

func (s *sketch) text(x, y float64, size int, colour, anchor, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" font-size="%d" fill="%s" text-anchor="%s">%s</text>`+"\n", x, y, size, colour, anchor, html.EscapeString(text))
}

// frame is the inside of a panel.
type frame struct{ x, y, w, h float64 }

func (s *sketch) panel(p *panel, found []line) {
	g := p.GridPos
	f := frame{float64(g.X*column + gap), float64(g.Y*row + top), float64(g.W*column - gap), float64(g.H*row - gap)}
	fmt.Fprintf(&s.b, `<rect x="%.0f" y="%.0f" width="%.0f" height="%.0f" rx="3" fill="#fff" stroke="#d5d7da"/>`+"\n", f.x, f.y, f.w, f.h)
	s.text(f.x+10, f.y+20, 13, "#222", "start", p.Title)
	inner := frame{f.x + 10, f.y + 32, f.w - 20, f.h - 42}
	switch {
	case len(found) == 0:
		s.text(f.x+f.w/2, f.y+f.h/2+8, 13, "#777", "middle", "no figures")
	case p.Type == "stat":
		v := found[0].last()
		s.text(f.x+f.w/2, f.y+f.h/2+24, 30, p.colour(v, "#111"), "middle", p.marked(v))
	case p.Type == "bargauge":
		s.bars(p, found, inner)
	default:
		s.graph(p, found, inner)
	}
}

// colour is that of the highest threshold that is reached.
func (p *panel) colour(v float64, none string) string {
	t := p.FieldConfig.Defaults.Thresholds
	if t == nil {
		return none
	}
	for _, step := range t.Steps {
		if step.Value == nil || v >= *step.Value {
			none = words[step.Color]
		}
	}
	return none
}

// marked says in words what a colour says.
func (p *panel) marked(v float64) string {
	text := told(v, p.FieldConfig.Defaults.Unit)
	if t := p.FieldConfig.Defaults.Thresholds; t != nil {
		if worst := t.Steps[len(t.Steps)-1].Value; worst != nil && (v > *worst || v == *worst && *worst == 1) {
			return "! " + text
		}
	}
	return text
}

func (s *sketch) bars(p *panel, found []line, f frame) {
	const label, figure = 190, 76
	most := 0.0
	for _, l := range found {
		most = math.Max(most, l.last())
	}
	if p.FieldConfig.Defaults.Unit == "percent" {
		most = math.Max(most, 100)
	}
	step := math.Min(f.h/float64(len(found)), 26)
	for i, l := range found {
		y, v := f.y+float64(i)*step, l.last()
		s.text(f.x, y+step*0.65, 12, "#222", "start", short(l.name, 26))
		width := f.w - label - figure
		fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#eceef0"/><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n",
			f.x+label, y+3, width, step-6, f.x+label, y+3, width*math.Max(v, 0)/math.Max(most, 1e-9), step-6, p.colour(v, ink[0]))
		s.text(f.x+f.w, y+step*0.65, 12, p.colour(v, "#222"), "end", p.marked(v))
	}
}

func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// graph draws lines over time, one above the other where the panel stacks them.
func (s *sketch) graph(p *panel, found []line, f frame) {
	const left, bottom = 74, 42
	g := frame{f.x + left, f.y, f.w - left, f.h - bottom}
	stacked := p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal"
	base := map[float64]float64{}
	tops := make([][]point, len(found))
	most := 0.0
	for i, l := range found {
		for _, q := range l.points {
			if stacked {
				base[q.at] += q.value
				q.value = base[q.at]
			}
			tops[i] = append(tops[i], q)
			most = math.Max(most, q.value)
		}
	}
	most = rounded(most, p.FieldConfig.Defaults.Unit)
	s.axes(p, g, most)
	for i := len(found) - 1; i >= 0; i-- {
		s.curve(tops[i], g, most, ink[i%len(ink)], stacked)
	}
	s.legend(p, found, f)
}

func (s *sketch) axes(p *panel, g frame, most float64) {
	for i := range 5 {
		y := g.y + g.h*float64(4-i)/4
		fmt.Fprintf(&s.b, `<path d="M%.1f %.1fH%.1f" stroke="#e3e5e8"/>`+"\n", g.x, y, g.x+g.w)
		s.text(g.x-6, y+4, 11, "#444", "end", told(most*float64(i)/4, p.FieldConfig.Defaults.Unit))
	}
	for i := range 5 {
		at := s.from.Add(s.to.Sub(s.from) * time.Duration(i) / 4)
		anchor := [...]string{"start", "middle", "middle", "middle", "end"}[i]
		s.text(g.x+g.w*float64(i)/4, g.y+g.h+15, 11, "#444", anchor, at.UTC().Format("15:04"))
	}
}

func (s *sketch) curve(points []point, g frame, most float64, colour string, filled bool) {
	span := s.to.Sub(s.from).Seconds()
	var d strings.Builder
	for i, q := range points {
		x, y := g.x+g.w*(q.at-float64(s.from.Unix()))/span, g.y+g.h*(1-q.value/most)
		fmt.Fprintf(&d, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x, y)
	}
	if filled && len(points) > 0 {
		first, last := g.x+g.w*(points[0].at-float64(s.from.Unix()))/span, g.x+g.w*(points[len(points)-1].at-float64(s.from.Unix()))/span
		fmt.Fprintf(&s.b, `<path d="%sL%.1f %.1fL%.1f %.1fZ" fill="%s" stroke="#fff"/>`+"\n", d.String(), last, g.y+g.h, first, g.y+g.h, colour)
		return
	}
	fmt.Fprintf(&s.b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", d.String(), colour)
}

// legend names the lines, with what each has now.
func (s *sketch) legend(p *panel, found []line, f frame) {
	x := f.x + 4
	for i, l := range found {
		text := l.name + " " + told(l.last(), p.FieldConfig.Defaults.Unit)
		fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="12" height="4" fill="%s"/>`+"\n", x, f.y+f.h-7, ink[i%len(ink)])
		s.text(x+16, f.y+f.h-1, 11, "#222", "start", text)
		x += 16 + 7*float64(len(text)) + 12
	}
}
