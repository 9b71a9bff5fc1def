package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

func (p *program) addressActions() []*cobra.Command {
	return []*cobra.Command{p.deed(find("address"), deed{
		use: "release", short: "Take it off its server; it rests for a day before anybody gets it", method: http.MethodDelete, verb: "is released",
		long: "An address of a service needs a reason, because its customer loses it.", fields: []field{reason(false)},
		question: "Take %s off its server?",
	})}
}

// assignCommand gives a server another address. It is no deed of the table, because
// what it answers is an address.
func (p *program) assignCommand(n *noun) *cobra.Command {
	c := &cobra.Command{
		Use: "assign-address SERVER", Short: "Give it another IP address",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	f := p.form(c, []field{
		{name: "pool", kind: ref, of: "pool", usage: "out of this pool; the first of its location that has one unless given"},
		{name: "address", usage: "this one; the lowest free one unless given"},
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		id, err := p.resolve(c.Context(), "server", args[0])
		if err != nil {
			return err
		}
		return p.act(c.Context(), find("address"), "assigned", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path()+"/"+url.PathEscape(id)+"/addresses", body)
		})
	}
	return c
}
