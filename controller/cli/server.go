package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

func (p *program) serverActions() []*cobra.Command {
	n := find("server")
	list := []*cobra.Command{p.whyCommand(n), p.operationRequest(n, "diagnose"), p.diagnosesCommand(), p.operationRequest(n, "erase"), p.operationRequest(n, "install"), p.operationRequest(n, "power")}
	for _, d := range serverDeeds {
		list = append(list, p.deed(n, d))
	}
	list = append(list, p.inspectionCommands()...)
	return append(list, p.identityCommand(n), p.bmcCommand(), p.portsCommand(), p.assignCommand(n), p.erasuresCommand(n), p.consoleCommand(n), p.setRolesCommand(n), p.moveContentCommand(n), p.allocatedCommand(n), p.serverUsage(n))
}

var serverDeeds = []deed{
	{
		use: "approve", short: "Let a machine in that enrolled", below: "/approve", verb: "approved", fields: []field{reason(false)},
		long: "Its hardware is then tested. Nobody gets it, and its disks are not touched, before it is commissioned.",
	},
	{use: "reject", short: "Refuse a machine that enrolled", below: "/reject", verb: "rejected", fields: []field{reason(true)}, question: "Reject %s? Its certificate is refused from then on."},
	{
		use: "commission", short: "Put into service: erase its disks, then hand it out", below: "/commission", verb: "is in service", fields: []field{reason(false)},
		long:     "All its disks are erased and read back, and its hardware is tested; then it is available. An agent on an installed system refuses to erase.",
		question: "Put %s into service? All its disks are erased.",
	},
	{use: "decommission", short: "Take out of service", below: "/decommission", verb: "is out of service", fields: []field{reason(false)}},
	{
		use: "maintenance", short: "Begin maintenance: nobody gets it", method: http.MethodPut, below: "/maintenance", verb: "is in maintenance",
		long:   "When --until is over a task reminds; the maintenance goes on until somebody ends it. Given again it replaces reason and end.",
		fields: []field{reason(true), {name: "until", kind: when, usage: "when it should be over: 4h, 2d, or a moment (2026-03-01T14:00:00Z)"}},
	},
	{use: "end-maintenance", short: "End maintenance", method: http.MethodDelete, below: "/maintenance", verb: "is out of maintenance", fields: []field{reason(false)}},
	{
		use: "override", short: "Accept its failed checks and errors, at your own risk", method: http.MethodPut, below: "/override", verb: "counts as available in spite of its errors",
		long:   "Accepts failed checks and status errors of the last diagnostics. Void after the next diagnostics, and at --until.",
		fields: []field{reason(true), {name: "until", kind: when, usage: "at most 30 days: 12h, 7d, or a moment (2026-03-01T14:00:00Z)"}},
	},
	{
		use: "end-quarantine", short: "Let it go on after its identity or its erasure was settled", method: http.MethodDelete, below: "/quarantine", verb: "is out of quarantine",
		long: "Its disks count as dirty until they were erased again.", fields: []field{reason(true)},
	},
	{
		use: "move", short: "Record that it stands in another place", below: "/move", verb: "was moved",
		long: "To another location only while it belongs to nobody, nothing runs on it and no switch ports of the old one are recorded.",
		fields: []field{
			{name: "location", kind: ref, of: "location", usage: "data centre where it stands now", required: true},
			{name: "rack", usage: "where in it"},
			reason(true),
		},
	},
	{
		use: "retire", short: "Take out of the fleet for good", below: "/retire", verb: "is retired",
		long: "Its certificate is void and its parts may come back in other machines. Its record and history stay: server list --approval retired. " +
			"If the machine comes back it has to enrol; adopt it as this server, or approve it as a new one.",
		fields:   []field{reason(true), {name: "dirty", kind: yes, usage: "although its disks are not proven clean"}},
		question: "Retire %s for good?",
	},
	{
		use: "adopt", short: "Say that a machine that asks to join is a server that is known", below: "/adopt", verb: "has this machine now",
		long: "For a server that got a new board or disk and came back as a new machine. The known server keeps name, owner and history and gets the certificate " +
			"and the parts of the machine; the agent of the old one must be off. Its disks count as dirty, and a server of nobody has to be commissioned again.",
		fields:   []field{{name: "as", kind: ref, of: "server", usage: "the server that it is", required: true}, reason(true)},
		question: "Is the machine %s really the server that you named with --as?",
	},
	{
		use: "end-node", short: "End a hosting node: it is a bare server then", method: http.MethodDelete, below: "/node", verb: "is no hosting node any more",
		long:   "Only while it is nobody's and customers have nothing on it. It is dirty then: all its disks are erased before somebody gets it.",
		fields: []field{reason(true)}, question: "End the hosting node %s? All its disks have to be erased then.",
	},
	{use: "end-override", short: "No longer accept its failed checks", method: http.MethodDelete, below: "/override", verb: "is judged by its checks again", fields: []field{reason(false)}},
}

func (p *program) whyCommand(n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "why SERVER", Short: "Why it can or cannot be handed out",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			id, err := p.resolve(c.Context(), "server", args[0])
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), n.path()+"/"+url.PathEscape(id)+"/why", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return p.printWhy(args[0], a)
		},
	}
}

func (p *program) printWhy(name string, a client.Answer) error {
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	if r.text("available") == "yes" {
		fmt.Fprintf(p.out, "%s is available.\n", clean(name))
	} else {
		fmt.Fprintf(p.out, "%s is not available, because\n", clean(name))
	}
	for _, reason := range r.list("reasons") {
		line := fmt.Sprintf("  %-4s %s", reason.text("rule"), reason.text("message"))
		if since := words("since", reason.at("since"), p.now()); since != "" {
			line += ", since " + since
		}
		if reason.text("waived") == "yes" {
			line += " (accepted by an operator)"
		}
		fmt.Fprintln(p.out, clean(line))
	}
	return nil
}

// operationRequest asks for an operation on a server.
func (p *program) operationRequest(n *noun, kind string) *cobra.Command {
	var sure bool
	var w watching
	c := &cobra.Command{
		Use: kind + " SERVER", Short: operationWords[kind].short,
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	f := p.form(c, operationWords[kind].fields)
	addWatching(c, &w)
	if operationWords[kind].question != "" {
		addSure(c, &sure)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, operationWords[kind].fields); err != nil {
			return err
		}
		if q := operationWords[kind].question; q != "" {
			if err := p.confirm(c, sure, fmt.Sprintf(q, args[0])); err != nil {
				return err
			}
		}
		params, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		return p.requestOperation(c.Context(), n, args[0], kind, params, w)
	}
	return c
}

var operationWords = map[string]struct {
	short, question string
	fields          []field
}{
	"power": {
		short:  "Turn it on or off",
		fields: []field{{name: "action", usage: "on, off (orderly), hard-off, cycle or boot-ram", required: true}},
	},
	"diagnose": {short: "Test all parts", fields: []field{{name: "profile", usage: "quick (seconds), standard (minutes), burn-in (8 hours) or burn-in:HOURS up to burn-in:72h"}}},
	"erase":    {short: "Erase all its disks, proven", question: "Erase every disk of %s? Nothing on them can be read afterwards."},
	"install": {
		short: "Write an image to its disk", question: "Install %s? What is on its system disk is lost.",
		fields: []field{
			{name: "image", kind: ref, of: "image", usage: "what to write", required: true},
			{name: "hostname", usage: "name of the installed system"},
			{name: "ssh_keys", kind: list, usage: "public keys that may log in"},
		},
	},
}

func (p *program) requestOperation(ctx context.Context, n *noun, name, kind string, params map[string]any, w watching) error {
	id, err := p.resolve(ctx, "server", name)
	if err != nil {
		return err
	}
	body := map[string]any{"kind": kind}
	if len(params) > 0 {
		body["params"] = params
	}
	return p.started(ctx, w, func(api *client.Client) (client.Answer, error) {
		return api.Post(ctx, n.path()+"/"+url.PathEscape(id)+"/operations", body)
	})
}

// started asks for an operation, and follows it if that is wished.
func (p *program) started(ctx context.Context, w watching, request func(*client.Client) (client.Answer, error)) error {
	if !w.wait {
		return p.act(ctx, find("operation"), "started", request)
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := request(api)
	if err != nil {
		return err
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	return p.followOperation(ctx, r.text("id"), w)
}
