package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Pace of an event stream.
const (
	eventPulse = 15 * time.Second // a comment, so that proxies keep the connection
	eventWrite = 10 * time.Second // a client that takes longer for a part is dropped
	eventBatch = 256
	maxStreams = 512 // of one replica
)

// pace of an API's streams and consoles; tests have less patience.
type pace struct{ pulse, write, look, ping time.Duration }

// EventData is the data of one event. The event's id is the store's revision.
type EventData struct {
	Type   string          `json:"type" enum:"changed,deleted,resync"`
	Table  string          `json:"table,omitempty"`
	ID     string          `json:"id,omitempty"`
	Rev    int64           `json:"rev"`
	At     time.Time       `json:"at"`
	Object json.RawMessage `json:"object,omitempty" doc:"The record as its list shows it; not with deleted."`
}

func (a *API) registerEvents() {
	without(a, "GET /v1/events", about{
		summary: "Changes as they happen (Server-Sent Events)", tag: "events", answer: EventData{},
		detail: "A stream of text/event-stream. Resume with Last-Event-ID: the id stands at the last event of each commit, so events may come again after a break but none is left out. An event of type resync means that events were missed: read the lists again. Only records that the caller may read are told.",
		params: []*huma.Param{
			{Name: "Last-Event-ID", In: "header", Schema: text0, Description: "Id of the last event that was seen."},
			{Name: "tables", In: "query", Schema: text0, Description: "Only these collections, with commas."},
		},
	}, a.streamEvents)
}

// watcher is one client of the event stream.
type watcher struct {
	c       *call
	control *http.ResponseController
	tables  []string
	rev     int64
}

// streamEvents tells changes until the client goes, is too slow, or its token ends.
func (a *API) streamEvents(c *call) (reply, error) {
	w := &watcher{c: c, control: http.NewResponseController(c.w), rev: a.board.revision()}
	last, err := lastEvent(c.r)
	if err != nil {
		return reply{}, err
	}
	switch {
	case last > w.rev: // of another fleet, or of a replica that is ahead: what this client saw is not known
		w.rev = -1
	case last > 0:
		w.rev = last
	}
	if w.tables, err = tablesOf(c.r.URL.Query().Get("tables")); err != nil {
		return reply{}, err
	}
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		return reply{}, fault.Unavailable("%d event streams are open on this replica; try another one, or later", maxStreams)
	}
	return reply{stream: func() {
		defer a.streams.Add(-1)
		a.run(w)
	}}, nil
}

func lastEvent(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	rev, err := strconv.ParseInt(text, 10, 64)
	if err != nil || rev < 0 {
		var c fault.Check
		c.Add("header.Last-Event-ID", "is %q; give the id of an event, or leave it out", clip(text))
		return 0, c.Err("the events cannot be resumed")
	}
	return rev, nil
}

func tablesOf(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	list := strings.Split(text, ",")
	var c fault.Check
	for _, t := range list {
		if _, known := reading[t]; !known {
			c.Add("query.tables", "names %q, which is no collection", clip(t))
		}
	}
	return list, c.Err("the events cannot be told")
}

func (a *API) run(w *watcher) {
	h := w.c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.c.w.WriteHeader(http.StatusOK)
	pulse := time.NewTicker(a.pace.pulse)
	defer pulse.Stop()
	if !w.write([]byte(": steelyard events\n\n")) {
		return
	}
	for {
		more, ok := a.tell(w)
		if !ok {
			return
		}
		select {
		case <-more:
		case <-pulse.C:
			if !a.welcome(w) || !w.write([]byte(": \n\n")) {
				return
			}
		case <-w.c.ctx().Done():
			return
		}
	}
}

// tell writes everything that there is for the client.
func (a *API) tell(w *watcher) (more <-chan struct{}, ok bool) {
	for {
		list, more, kept := a.board.events.after(w.rev, eventBatch)
		if !kept {
			w.rev = a.board.revision()
			if !w.write(encodeEvent(EventData{Type: "resync", Rev: w.rev, At: a.opt.Now()}, true)) {
				return nil, false
			}
			continue
		}
		if len(list) == 0 {
			return more, true
		}
		if !a.welcome(w) {
			return nil, false
		}
		newest := list[len(list)-1].Rev
		out := encodeAll(slices.DeleteFunc(list, func(e event) bool { return !w.sees(a, e) }), w.c.actor())
		w.rev = newest
		if len(out) > 0 && !w.write(out) {
			return nil, false
		}
	}
}

// welcome reports whether the token still opens the API with the same role.
func (a *API) welcome(w *watcher) bool {
	t := a.board.token(w.c.state.token.Digest)
	if t == nil || !valid(t, a.opt.Now()) {
		return false
	}
	actor, ok := a.actorOf(t)
	if !ok || a.in.KeptOut(actor) != "" {
		return false
	}
	if w.c.state.acting == "" {
		return actor == w.c.state.actor
	}
	as, _, err := a.in.ActFor(actor, w.c.state.acting)
	return err == nil && actor == w.c.state.by && as == w.c.state.actor
}

// sees reports whether the client may read the record, before or after.
func (w *watcher) sees(a *API, e event) bool {
	if w.tables != nil && !slices.Contains(w.tables, e.Table) {
		return false
	}
	actor := w.c.actor()
	return w.c.may(reading[e.Table]) && a.board.sheets[e.Table].sees(access.ScopeOf(actor, e.Table), e.row)
}

// write sends a part within its time. A client that is slower is dropped: it can
// come back with Last-Event-ID.
func (w *watcher) write(b []byte) bool {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.c.api.pace.write)) // refused by writers that have no connection
	if _, err := w.c.w.Write(b); err != nil {
		return false
	}
	return w.control.Flush() == nil
}

// encodeAll writes events. Of those of one commit only the last bears the id, so
// that a client whose connection breaks between them is told all of them again.
func encodeAll(list []event, actor access.Actor) []byte {
	var out []byte
	for i, e := range list {
		d := e.data(actor)
		out = append(out, encodeEvent(d, i+1 == len(list) || list[i+1].Rev != e.Rev)...)
	}
	return out
}

// data is the event as the actor sees it.
func (e event) data(actor access.Actor) EventData {
	d := EventData{Type: "changed", Table: e.Table, ID: e.ID, Rev: e.Rev, At: e.At, Object: e.row.seenBy(access.ScopeOf(actor, e.Table))}
	if e.gone {
		d.Type, d.Object = "deleted", nil
	}
	return d
}

func encodeEvent(d EventData, withID bool) []byte {
	data, err := json.Marshal(d)
	if err != nil {
		panic("api: an event cannot be written: " + err.Error()) // made of JSON: cannot happen
	}
	var b []byte
	if withID {
		b = append(strconv.AppendInt([]byte("id: "), d.Rev, 10), '\n')
	}
	b = append(b, "event: "...)
	b = append(b, d.Type...)
	b = append(b, "\ndata: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}
