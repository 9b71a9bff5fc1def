package cli

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// identityCommand is what a person says of a machine whose parts changed.
func (p *program) identityCommand(n *noun) *cobra.Command {
	c := &cobra.Command{Use: "identity", Short: "Say whether a machine whose parts changed is still the same", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(
		p.identityDeed(n, "confirm", "Parts were replaced: it is the same machine", "has these parts now", "Is it still %s?"),
		p.identityDeed(n, "reject", "It is not the machine that it was: keep it out", "is kept out", "Keep %s out until it reports its own parts again?"),
	)
	return c
}

var identityFields = []field{
	{name: "identity", usage: "id of the parts that were looked at, from: server show; needed with --yes"},
	reason(true),
}

// identityDeed shows what changed and sends the id of just that. Who says --yes must have looked
// before, and says at what.
func (p *program) identityDeed(n *noun, action, short, verb, question string) *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use: action + " SERVER", Short: short,
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	f := p.form(c, identityFields)
	demand(c, identityFields)
	addSure(c, &sure)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, identityFields); err != nil {
			return err
		}
		if sure && !c.Flags().Changed("identity") {
			return usage(c, "with --yes say what you looked at: --identity ID, from: steelyard server show %s", args[0])
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		server, err := p.changedParts(c, n, args[0], body)
		if err != nil {
			return err
		}
		if err := p.confirm(c, sure, fmt.Sprintf(question, args[0])); err != nil {
			return err
		}
		return p.act(c.Context(), n, verb, func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path()+"/"+url.PathEscape(server)+"/identity/"+action, body)
		})
	}
	return c
}

// changedParts reads the server, tells what changed, and puts the id of that into the body unless one
// was given.
func (p *program) changedParts(c *cobra.Command, n *noun, name string, body map[string]any) (server string, err error) {
	a, err := p.fetch(c.Context(), n, name)
	if err != nil {
		return "", err
	}
	r, err := decode(a.Body)
	if err != nil {
		return "", err
	}
	seen := r.text("pending_identity.id")
	if seen == "" {
		if body["identity"] != nil { // it may have been granted before: let the controller say
			return r.text("id"), nil
		}
		return "", fault.Refused("%s reports the parts that it is known by; there is nothing to confirm or reject", clean(r.label()))
	}
	if changes, ok := r.at("pending_identity.changes").([]any); ok {
		fmt.Fprintf(p.err, "%s reports (%s):\n", clean(r.label()), clean(seen))
		for _, change := range changes {
			fmt.Fprintln(p.err, "  "+clean(fmt.Sprint(change)))
		}
	}
	if body["identity"] == nil {
		body["identity"] = seen
	}
	return r.text("id"), nil
}
