package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// limitsOf are limits as the API takes them: "none" is no limit, which is not 0 (rule X12).
func limitsOf(flag string, given map[string]string) (map[string]any, error) {
	body := map[string]any{}
	var c fault.Check
	for name, text := range given {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case text == "none":
			body[name] = reselling.NoLimit
		case err != nil:
			c.Add(flag, "says that %s is %q; use a whole number, or none", name, text)
		default:
			body[name] = n
		}
	}
	return body, c.Err("the limits are not understood")
}

const (
	limitsUsage   = "how much he may have: servers=5,customers=100,disk_mib=none,mailboxes=500; none is no limit, which is not 0"
	oversellUsage = "he may promise more than his limits; they hold for what there is then"
)

func (p *program) resellerActions() []*cobra.Command {
	n := find("reseller")
	return []*cobra.Command{
		p.deed(n, deed{use: "disable", short: "Keep his people out; what he has goes on", below: "/disable", verb: "is disabled", fields: []field{reason(true)}}),
		p.deed(n, deed{
			use: "suspend", short: "Keep his people and all his customers out, and give him nothing new", below: "/suspend", verb: "is suspended", fields: []field{reason(true)},
			question: "Keep reseller %s out with all his customers, and those of the resellers below him?",
		}),
		p.standingCommand(n, "Where each limit comes from, and what counts against it"),
		p.deed(n, deed{
			use: "unset", short: "Let limits be again what his plan says", below: "/unset", verb: "has what his plan says",
			fields: []field{{name: "limits", kind: list, usage: "which ones; oversell is one", required: true}, reason(false)},
		}),
		p.deed(n, deed{use: "activate", short: "Let him work again", below: "/activate", verb: "is active", fields: []field{reason(false)}}),
	}
}

func (p *program) signUpActions() []*cobra.Command {
	n := find("signup")
	return []*cobra.Command{
		p.deed(n, deed{use: "cancel", short: "Withdraw one that is not active", below: "/cancel", verb: "is canceled", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "refuse", short: "Say no to one that is not active; the applicant is told why", below: "/refuse", verb: "is refused", fields: []field{reason(true)}}),
		p.deed(n, deed{use: "hold", short: "Keep it from being completed until somebody has looked at it", below: "/hold", verb: "is held", fields: []field{reason(true)}}),
		p.deed(n, deed{use: "resume", short: "Lift the hold", below: "/resume", verb: "is not held by a person any more", fields: []field{reason(false)}}),
	}
}

func (p *program) planActions() []*cobra.Command {
	assign := p.allot("assign", "Assign servers to a plan; who signs up for it gets the longest assigned one", nil)
	unassign := p.allot("unassign", "Take servers that nobody got yet out of a plan", []field{reason(false)})
	preview := p.previewCommand(find("reseller-plan"), preview{
		long:    "Tells which resellers would get other limits, who would be over a limit, who keeps what was set by hand, and who would not get all of it. Nothing is changed.",
		example: "  steelyard reseller-plan preview gold --limits disk_mib=500000,mailboxes=none",
		fields:  []field{{name: "limits", kind: limits, usage: limitsUsage}, {name: "oversell", kind: yes, usage: oversellUsage}},
	})
	return []*cobra.Command{assign, unassign, preview}
}

// allot is the command that assigns servers, or the one that takes them back.
func (p *program) allot(use, short string, fields []field) *cobra.Command {
	c := &cobra.Command{
		Use: use + " PLAN SERVER...", Short: short, Args: cobra.MinimumNArgs(2),
		Long: short + ".\nEach server is looked at by itself, and a line tells what became of it. The exit status is 1 when one of them was refused.",
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return p.completeNoun("reseller-plan")(c, args, typed)
			}
			return p.completeNoun("server")(c, args, typed)
		},
	}
	f := p.form(c, fields)
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		plan, err := p.resolve(c.Context(), "reseller-plan", args[0])
		if err != nil {
			return err
		}
		servers := make([]string, len(args)-1)
		for i, name := range args[1:] {
			if servers[i], err = p.resolve(c.Context(), "server", name); err != nil {
				return err
			}
		}
		return p.runAllot(c.Context(), find("reseller-plan").path()+"/"+url.PathEscape(plan)+"/"+use, servers, body)
	}
	return c
}

func (p *program) runAllot(ctx context.Context, path string, servers []string, body map[string]any) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	refused := false
	for some := range slices.Chunk(servers, reselling.MaxAtOnce) {
		body["servers"] = some
		a, err := api.Post(ctx, path, body)
		if err != nil {
			return err
		}
		if p.json() {
			p.raw(p.out, a.Body)
		}
		answer, err := client.Object[intake.Assignment](a)
		if err != nil {
			return err
		}
		for _, s := range answer.Servers {
			refused = refused || s.Message != ""
			if !p.json() {
				fmt.Fprintln(p.out, clean(allotted(s)))
			}
		}
	}
	if refused {
		return fault.Refused("not all of them")
	}
	return nil
}

func allotted(s intake.Assigned) string {
	name := s.Server
	if s.Name != "" {
		name = s.Name
	}
	if s.Message != "" {
		return name + ": " + s.Outcome + ": " + s.Message
	}
	return name + ": " + s.Outcome
}
