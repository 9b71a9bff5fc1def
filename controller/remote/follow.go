package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/sse"
)

// Pace of following a backend.
const (
	firstPause = time.Second
	longPause  = time.Minute
	// streamFor is how long one stream is read before the backend is asked again who it is.
	streamFor = 5 * time.Minute
	// silence is how long a stream may be quiet; a controller speaks every 15 s.
	silence = 60 * time.Second
)

// Run follows the backends of all remote modules until ctx ends. The leader runs it, and every commit
// compares the leader's key.
func (r *Remotes) Run(ctx context.Context, fence store.Fence) error {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	sub := r.opt.Store.Subscribe()
	defer sub.Close()
	stops := map[string]context.CancelFunc{}
	for {
		changes, resync, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if resync {
			for i := range store.Modules.Items(r.opt.Store.Snapshot()) {
				changes = append(changes, store.Change{Table: store.Modules.Name(), ID: i.ID})
			}
			for id := range stops {
				changes = append(changes, store.Change{Table: store.Modules.Name(), ID: id})
			}
		}
		for _, ch := range changes {
			if ch.Table != store.Modules.Name() {
				continue
			}
			if stop := stops[ch.ID]; stop != nil {
				stop()
				delete(stops, ch.ID)
			}
			if m, ok := store.Modules.View(r.opt.Store, ch.ID); ok && m.Kind == order.ModuleRemote {
				one, stop := context.WithCancel(ctx)
				stops[ch.ID] = stop
				f := &follower{Remotes: r, fence: fence, module: ch.ID}
				following.Go(func() { f.run(one) })
			}
		}
	}
}

// follower keeps one backend in sight.
type follower struct {
	*Remotes
	fence  store.Fence
	module string
	from   string // id of the last event
	whole  bool   // nothing was missed since all were looked at
}

// run asks who is there, and then listens, again and again.
func (f *follower) run(ctx context.Context) {
	wait := firstPause
	for ctx.Err() == nil {
		c, err := f.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		began := f.opt.Now()
		if err == nil {
			err = f.listen(ctx, c)
		}
		if err == nil || f.opt.Now().Sub(began) > longPause {
			wait = firstPause
		}
		if err == nil {
			continue
		}
		if pause.For(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, longPause)
	}
}

// probe asks who is there, records how things stand, and renews the token. The error is why
// nothing can be asked now.
func (f *follower) probe(ctx context.Context) (*Client, error) {
	m, st, err := f.records(f.module)
	if err != nil {
		return nil, err
	}
	c, err := f.client(m, st)
	if err != nil {
		return nil, err
	}
	a, err := c.About(ctx)
	if err == nil {
		err = f.sameBackend(ctx, c, st, a)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if noted := f.note(ctx, err); noted != nil || err != nil {
		return c, errors.Join(err, noted)
	}
	if f.opt.Now().After(renewAt(st)) {
		return c, f.renew(ctx, c, m, st)
	}
	return c, nil
}

var errChanged = errors.New("changed")

// sameBackend makes sure that it is still the fleet and the generation that the module was made
// for (rule B3), and that it still lets us in.
func (f *follower) sameBackend(ctx context.Context, c *Client, st *order.Remote, a About) error {
	if a.Fleet != st.Fleet {
		return cause{fault.Refused("another fleet answers at %s than the one that the module was made for; if that is meant, make another module", c.base.Host), errChanged}
	}
	if a.Generation != st.Generation {
		return cause{fault.Refused("the backend at %s is of generation %q now, and the module was made for %q (B3); update this controller, or make another location and module", c.base.Host, clip(a.Generation), st.Generation), errChanged}
	}
	var who struct {
		Permissions []access.Permission `json:"permissions"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/whoami", "", nil, &who); err != nil {
		return err
	}
	for _, p := range permissions {
		if !slices.Contains(who.Permissions, p) {
			return fault.Denied("the user of the module may not do %s at %s any more", p, c.base.Host)
		}
	}
	return nil
}

// listen reads the stream of events for a while. It ends without an error when it was whole; then
// the next one goes on where it ended.
func (f *follower) listen(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithTimeout(ctx, streamFor)
	defer cancel()
	opened := func() {
		if !f.whole { // what came before is not in the stream
			f.tellAll(f.module)
		}
		f.whole = true
	}
	err := c.events(ctx, &f.from, opened, f.took)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	f.whole = false // answers of the moment may be lost too
	return err
}

// took wakes the order that an event is about.
func (f *follower) took(e sse.Event) error {
	var d struct {
		Type   string `json:"type"`
		Object struct {
			Reference string `json:"reference"`
		} `json:"object"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return fault.Unavailable("an event cannot be read: %w", err)
	}
	if d.Type != "changed" { // missed, or deleted: look at all
		f.tellAll(f.module)
		return nil
	}
	if id := order.OrderOfReference(d.Object.Reference); id != "" {
		f.tell(id)
	}
	return nil
}

// events reads the stream of changes of orders and services, from the revision in from on.
func (c *Client) events(ctx context.Context, from *string, opened func(), got func(sse.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	req, err := c.request(ctx, http.MethodGet, "/v1/events?tables=orders,services", "", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if *from != "" {
		req.Header.Set("Last-Event-ID", *from)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return c.refusal(res, nil)
	}
	opened()
	return sse.Read(res.Body, func() { quiet.Reset(silence) }, from, got)
}
