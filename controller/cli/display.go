package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// stage is one thing that is being done, as a person watches it.
type stage struct {
	name, state, note string
	done, total       int64 // 0 of 0: not known
	bytes             bool
}

// display shows how far something is; close leaves the last figures standing.
type display interface {
	show(message string, stages []stage)
	close()
}

// display is bars on a terminal, else a line for each change.
func (p *program) display() display {
	width, ok := p.terminal(p.err)
	if !ok {
		return &lines{out: p.err, now: p.now, told: map[string]string{}}
	}
	return newBars(p.err, width, p.coloured())
}

// lines tells changes of state, and progress by tenths.
type lines struct {
	out     io.Writer
	now     func() time.Time
	message string
	told    map[string]string
}

func (l *lines) show(message string, stages []stage) {
	if message != l.message && message != "" {
		l.message = message
		l.line(message)
	}
	for _, s := range stages {
		text := s.state
		if s.total > 0 && s.state != "done" {
			text = fmt.Sprintf("%s %d %%", s.state, min(100*s.done/s.total/10*10, 100))
		}
		if s.state == "pending" || l.told[s.name] == text {
			continue
		}
		l.told[s.name] = text
		l.line(s.name + ": " + text + tail(s.note))
	}
}

func tail(note string) string {
	if note == "" {
		return ""
	}
	return ", " + note
}

func (l *lines) line(text string) {
	fmt.Fprintf(l.out, "%s  %s\n", l.now().Local().Format("15:04:05"), clean(text))
}

func (l *lines) close() {}

// bars are drawn by one goroutine, which close waits for.
type bars struct {
	writer   progress.Writer
	trackers map[string]*progress.Tracker
	ended    chan struct{}
	message  string
}

func newBars(out io.Writer, width int, coloured bool) *bars {
	w := progress.NewWriter()
	w.SetOutputWriter(out)
	w.SetUpdateFrequency(200 * time.Millisecond)
	w.SetTrackerPosition(progress.PositionRight)
	w.SetMessageLength(max(16, min(width/3, 40)))
	w.SetTrackerLength(max(10, min(width/3, 40)))
	style := progress.StyleDefault
	if coloured {
		style.Colors = progress.StyleColorsExample
	}
	w.SetStyle(style)
	w.Style().Visibility.Time = true
	b := &bars{writer: w, trackers: map[string]*progress.Tracker{}, ended: make(chan struct{})}
	go func() {
		defer close(b.ended)
		w.Render()
	}()
	return b
}

func (b *bars) show(message string, stages []stage) {
	if message != b.message && message != "" {
		b.message = message
		b.writer.Log("%s", clean(message))
	}
	for _, s := range stages {
		if s.state == "pending" {
			continue
		}
		b.update(s)
	}
}

func (b *bars) update(s stage) {
	t := b.trackers[s.name]
	if t == nil {
		t = &progress.Tracker{Message: clean(s.name), Total: s.total}
		if s.bytes {
			t.Units = progress.UnitsBytes
		}
		b.trackers[s.name] = t
		b.writer.AppendTracker(t)
	}
	t.UpdateMessage(clean(s.name + tail(s.note)))
	switch s.state {
	case "done", "skipped":
		t.UpdateTotal(s.total)
		t.SetValue(s.total)
		t.MarkAsDone()
	case "failed":
		t.MarkAsErrored()
	default:
		t.UpdateTotal(s.total)
		t.SetValue(min(s.done, max(s.total-1, 0))) // the end is told by the state
	}
}

func (b *bars) close() {
	for !b.writer.IsRenderInProgress() { // Stop before the first drawing would be lost
		select {
		case <-b.ended:
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
	b.writer.Stop()
	<-b.ended
}
