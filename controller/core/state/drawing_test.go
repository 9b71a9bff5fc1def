package state_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/state"
)

var update = flag.Bool("update", false, "renew docs/states.md")

const drawing = "../../../docs/states.md"

// docs/states.md is drawn from the tables themselves.
func TestX4_TheDrawingIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString(preface)
	for _, table := range tables {
		draw(&b, table)
	}
	b.WriteString(steps)
	for _, k := range recipes {
		recipe(&b, k.title, operation.Recipe(k.kind, 0, k.params))
	}
	if *update {
		if err := os.WriteFile(drawing, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(drawing)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/states.md is not what the tables say (%v); renew it: make golden", err)
	}
}

// TestX4_EveryKindOfOperationIsListed, with its steps.
func TestX4_EveryKindOfOperationIsListed(t *testing.T) {
	for _, kind := range kinds {
		if !slices.ContainsFunc(recipes, func(r recipeOf) bool { return r.kind == kind }) {
			t.Errorf("the steps of a %s are not in docs/states.md", kind)
		}
	}
	for _, r := range recipes {
		for _, s := range operation.Recipe(r.kind, 0, r.params) {
			if rules[r.kind+" "+s.Name] == "" && rules[s.Name] == "" {
				t.Errorf("step %s of %s has no rule", s.Name, r.title)
			}
		}
	}
}

const preface = `# States

Written from the tables in ` + "`controller/core`" + ` by ` + "`make golden`" + `. Tests hold them against what happens: they read every revision of the state while servers, operations, orders and
services live through everything that there is, and see no move that is not here, and each that is.

A state that **rests** may last: nobody waits for anything. Every other one has an owner who brings it on, an event or a deadline that ends it, and a way out for a person.

Orders and services are drawn as this fleet serves them. Where a remote module serves one, it shows the state that it was last seen in there, which may leave out some between two looks; an order for
which there is no server there goes back from preparing to waiting, and its service to ordered.
`

func draw(b *strings.Builder, t *state.Table) {
	fmt.Fprintf(b, "\n## %s%s\n", strings.ToUpper(t.Noun[:1]), t.Noun[1:])
	if t.Noun == "server" {
		b.WriteString("\nNone of these states is stored: they follow from whose the server is, what runs on it, and what is known of its disks. Whose it is comes first, then what runs on it; " +
			"the rest is told of a server that is nobody's and idle.\n\nOnly where an arrow says `== … ==` dirty disks may become clean: there every disk was erased and read back. " +
			"No way from a used server to available goes past them (B41).\n")
	}
	for _, part := range parts(t) {
		if part != "" {
			fmt.Fprintf(b, "\n### %s\n", part)
		}
		b.WriteString("\n```mermaid\nstateDiagram-v2\n")
		diagram(b, t, part)
		b.WriteString("```\n")
	}
	b.WriteString("\n| state | means | owner | until | way out for a person |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range t.States {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", s.Name, s.Means, cmp.Or(s.Owner, "nobody"), cmp.Or(s.Until, "it rests"), cmp.Or(s.Out, "none needed"))
	}
}

func parts(t *state.Table) (list []string) {
	for _, m := range t.Moves {
		if !slices.Contains(list, m.Part) {
			list = append(list, m.Part)
		}
	}
	return list
}

// diagram draws the moves of a part.
func diagram(b *strings.Builder, t *state.Table, part string) {
	shown := map[string]bool{}
	for i, m := range t.Moves {
		if m.Part != part {
			continue
		}
		by := strings.NewReplacer(":", ",", ";", ",").Replace(m.By) // a colon would begin another label
		if m.Proof {
			by = "== " + by + " =="
		}
		for _, s := range slices.Concat(m.From, m.To) {
			shown[s] = true
		}
		arrows(b, fmt.Sprint("point", i), m, by)
	}
	for _, s := range t.States {
		if s.Begin && part == t.Moves[0].Part {
			fmt.Fprintf(b, "    [*] --> %s\n", s.Name)
		}
	}
	for _, s := range t.States {
		if shown[s.Name] && len(next(t, s.Name)) == 0 {
			fmt.Fprintf(b, "    %s --> [*]\n", s.Name)
		}
	}
}

// arrows of one move: each by itself, or through a point when there would be many.
func arrows(b *strings.Builder, point string, m state.Move, by string) {
	if len(m.From)*len(m.To) <= 3 {
		for _, from := range m.From {
			for _, to := range m.To {
				fmt.Fprintf(b, "    %s --> %s: %s\n", from, to, by)
			}
		}
		return
	}
	in, out := "", ": "+by
	if len(m.To) > 1 {
		in, out = out, in
	}
	fmt.Fprintf(b, "    state %s <<fork>>\n", point)
	for _, from := range m.From {
		fmt.Fprintf(b, "    %s --> %s%s\n", from, point, in)
	}
	for _, to := range m.To {
		fmt.Fprintf(b, "    %s --> %s%s\n", point, to, out)
	}
}

const steps = `
## The steps of each operation

A step begins when the one before it is confirmed, was skipped, or has nothing to do. What is not answered in its time counts as failed. A fault that may pass is tried again, with growing pauses; then the operation is held, and a person
decides: retry, skip with a reason, or cancel. Diagnostics and power actions of their own end instead. *(set)* is the time that the operation was given: by the module for an order (B13 to B16), from the size
of the disks for an erase, else the fleet's own. Where no hand can do a step a task asks a person, who has 72 hours.
`

type recipeOf struct {
	title, kind string
	params      operation.Params
}

var recipes = []recipeOf{
	{"diagnose, the agent is connected", operation.Diagnose, operation.Params{Capable: true}},
	{"diagnose, the server is off", operation.Diagnose, operation.Params{}},
	{"erase, the agent is connected", operation.Erase, operation.Params{Capable: true}},
	{"erase, the server is off", operation.Erase, operation.Params{}},
	{"install, on a real machine", operation.Install, operation.Params{}},
	{"install, simulated or in a sandbox", operation.Install, operation.Params{Virtual: true}},
	{"power on", operation.Power, operation.Params{Action: operation.PowerOn}},
	{"power off", operation.Power, operation.Params{Action: operation.PowerOff}},
	{"power cycle, by a management controller", operation.Power, operation.Params{Action: operation.PowerCycle, Driver: "ipmi"}},
	{"power cycle, by the agent", operation.Power, operation.Params{Action: operation.PowerCycle, Driver: "agent"}},
	{"power boot-ram", operation.Power, operation.Params{Action: operation.PowerBootRAM}},
	{"stop", operation.Stop, operation.Params{}},
	{"resume", operation.Resume, operation.Params{}},
	{"resume, after a rescue", operation.Resume, operation.Params{FromDisk: true}},
	{"rescue", operation.Rescue, operation.Params{}},
	{"delete", operation.Delete, operation.Params{}},
	{"inspect", operation.Inspect, operation.Params{}},
	{"move-content", operation.MoveContent, operation.Params{}},
}

// rules that a step is for, by kind and name, or by name.
var rules = map[string]string{
	"delete ports-on": "B33, A10", "delete power-on": "B34", "stop-running": "B35, A11", "remove-addresses": "B36", "remove-owner": "B37",
	"await-agent": "B44", "delete erase": "B38, B45", "delete diagnose": "B38, B46", "delete power-off": "B39", "delete ports-off": "B40",
	"erase": "B45", "diagnose": "B46", "image": "B43", "confirm": "B1, B43", "boot-disk": "B43", "await-system": "B1, B43", "ports-service": "B43", "ports-on": "A10", "power-on": "B44", "power power-on": "B28",
	"power-off": "B29", "reboot": "A17", "stop ports-off": "B31, B32", "resume ports-on": "B32a", "resume power-on": "B32a",
	"resume boot-disk": "B32a", "rescue": "B43", "inspect": "S9",
	"copy": "H6", "move-content confirm": "H6",
}

var hands = map[string]string{
	operation.HandAgent: "agent", operation.HandPower: "management controller", operation.HandPorts: "switches", operation.HandController: "controller",
	operation.HandPerson: "a person",
}

func recipe(b *strings.Builder, title string, list []operation.Step) {
	kind, _, _ := strings.Cut(title, " ")
	kind = strings.TrimSuffix(kind, ",")
	fmt.Fprintf(b, "\n### %s\n\n| step | rule | hand | time | tried again | way out |\n| --- | --- | --- | --- | --- | --- |\n", title)
	for _, s := range list {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", s.Name, cmp.Or(rules[kind+" "+s.Name], rules[s.Name]), hands[s.Hand], allowed(s.Allowed), times(s.Retries), ways(kind, s))
	}
}

func allowed(d time.Duration) string {
	switch {
	case d == 0:
		return "*(set)*"
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

func times(n int) string {
	if n == 0 {
		return "no"
	}
	return fmt.Sprintf("%d ×", n)
}

// ways are what operation itself lets a person do with a step that failed.
func ways(kind string, s operation.Step) string {
	if kind == operation.Diagnose || kind == operation.Power || kind == operation.Inspect {
		return "ask for it again"
	}
	s.State, s.StartedAt = operation.StepFailed, time.Unix(1, 0)
	op := operation.Operation{Kind: kind, State: operation.Held, Steps: []operation.Step{s}}
	ask := operation.Ask{Reason: "because", Actor: "somebody"}
	list := []string{}
	if _, err := operation.Retry(op, ask); err == nil {
		list = append(list, "retry")
	}
	if _, err := operation.Skip(op, ask); err == nil {
		list = append(list, "skip")
	}
	if _, err := operation.Cancel(op, ask); err == nil {
		list = append(list, "cancel")
	}
	return strings.Join(list, ", ")
}
