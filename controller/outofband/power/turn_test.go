package power

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// script is a controller that answers Status in turn, the last answer for ever. The suite in
// powertest has the real ones; this one has no time to lose.
type script struct {
	Controller
	states []string
	errs   []error // of Status, in turn
	did    []string
	soft   error
}

func (s *script) Status(context.Context) (string, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		if err != nil {
			return outofband.Unknown, err
		}
	}
	state := s.states[0]
	if len(s.states) > 1 {
		s.states = s.states[1:]
	}
	return state, nil
}

func (s *script) act(what string) error { s.did = append(s.did, what); return nil }

func (s *script) On(context.Context) error                    { return s.act("on") }
func (s *script) HardOff(context.Context) error               { return s.act("hard") }
func (s *script) NextBoot(_ context.Context, boot Boot) error { return s.act("boot " + boot.Device) }

func (s *script) SoftOff(context.Context) error {
	if s.soft != nil {
		return s.soft
	}
	return s.act("soft")
}

func TestTurnWaitsAsLongAsItShould(t *testing.T) {
	away := fault.Unavailable("it restarts")
	network := Boot{Device: BootNetwork, Once: true}
	on := func(ctx context.Context, c Controller) (bool, error) { return TurnOn(ctx, c, network, func(string) {}) }
	off := func(ctx context.Context, c Controller) (bool, error) {
		return TurnOff(ctx, c, false, 2*time.Minute, func(string) {})
	}
	for name, tt := range map[string]struct {
		c       script
		turn    func(context.Context, Controller) (bool, error)
		did     string
		changed bool
		says    string // of the error
		within  time.Duration
	}{
		"on":                      {script{states: []string{"off", "off", "unknown", "on"}}, on, "boot network,on", true, "", 10 * time.Second},
		"on already":              {script{states: []string{"on"}}, on, "", false, "", 0},
		"on its way already":      {script{states: []string{"unknown", "unknown", "on"}}, on, "", false, "", 10 * time.Second},
		"never in a state":        {script{states: []string{"unknown"}}, on, "boot network,on", true, "did nothing", 5 * time.Minute},
		"on, and nothing":         {script{states: []string{"off"}}, on, "boot network,on", true, "after 3m0s the server is off", 3 * time.Minute},
		"away for a moment":       {script{states: []string{"off", "on"}, errs: []error{nil, away, away}}, on, "boot network,on", true, "", 10 * time.Second},
		"away at first":           {script{states: []string{"off"}, errs: []error{away}}, on, "", false, "it restarts", 0},
		"credentials are gone":    {script{states: []string{"off"}, errs: []error{nil, fault.Refused("no")}}, on, "boot network,on", true, "no", 0},
		"off":                     {script{states: []string{"on", "on", "off"}}, off, "soft", true, "", 10 * time.Second},
		"off already":             {script{states: []string{"off"}}, off, "", false, "", 0},
		"deaf":                    {script{states: append(slices.Repeat([]string{"on"}, 32), "off")}, off, "soft,hard", true, "", 3 * time.Minute},
		"no orderly way":          {script{states: []string{"on", "off"}, soft: fault.Refused("not offered")}, off, "hard", true, "", time.Second},
		"soft off breaks":         {script{states: []string{"on"}, soft: away}, off, "", false, "it restarts", 0},
		"off, and nothing at all": {script{states: []string{"on"}}, off, "soft,hard", true, "the server is on", 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				changed, err := tt.turn(t.Context(), &tt.c)
				if did := strings.Join(tt.c.did, ","); did != tt.did || changed != tt.changed {
					t.Errorf("did %q, changed %v, %v", did, changed, err)
				}
				if (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(start); took > tt.within {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// A context that ends, ends the wait, and the reason is still told.
func TestTurnOnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		changed, err := TurnOn(ctx, &script{states: []string{"off"}}, Boot{}, func(string) {})
		if !changed || !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "accepted power-on and did nothing: after 20s the server is off") {
			t.Fatal(changed, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := TurnOff(ctx, &script{states: []string{"on"}}, false, time.Minute, func(string) {}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}
