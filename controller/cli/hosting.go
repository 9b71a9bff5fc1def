package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) placementActions() []*cobra.Command {
	return []*cobra.Command{p.deed(find("placement"), deed{
		use: "set-state", short: "Say how far it is made or removed", below: "/state", verb: "is recorded",
		fields: []field{
			{name: "state", usage: "making, there, leaving or stuck", required: true},
			{name: "message", usage: "why; such as what could not be removed"},
		},
	})}
}

// setRolesCommand puts logical servers on a server.
func (p *program) setRolesCommand(n *noun) *cobra.Command {
	var roles []string
	var none bool
	c := &cobra.Command{
		Use: "set-roles SERVER", Short: "Say which logical servers it carries",
		Long: "All of them at once. What is not named is taken off, unless customers use it.",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	c.Flags().StringSliceVar(&roles, "role", nil, "type=group, such as web=front: the type of a logical server and the server group that it is in; several separated by commas")
	c.Flags().BoolVar(&none, "none", false, "none at all")
	c.RunE = func(c *cobra.Command, args []string) error {
		if none == (len(roles) > 0) {
			return fault.Invalid("give --role, once for each logical server, or --none")
		}
		list := []map[string]any{}
		for _, text := range roles {
			kind, group, ok := strings.Cut(text, "=")
			if !ok {
				return fault.Invalid("--role %q is not type=group, such as web=front", text)
			}
			id, err := p.resolve(c.Context(), "server-group", group)
			if err != nil {
				return err
			}
			list = append(list, map[string]any{"type": kind, "group": id})
		}
		id, err := p.resolve(c.Context(), "server", args[0])
		if err != nil {
			return err
		}
		path := n.path() + "/" + url.PathEscape(id)
		return p.act(c.Context(), n, "has its logical servers", func(api *client.Client) (client.Answer, error) {
			before, err := api.Get(c.Context(), path, nil)
			if err != nil {
				return before, err
			}
			return api.PutMatching(c.Context(), path+"/roles", before.ETag(), map[string]any{"roles": list})
		})
	}
	return c
}

// moveContentCommand moves what customers have on a server to another one (rule H6).
func (p *program) moveContentCommand(n *noun) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use: "move-content SERVER", Short: "Move all that customers have on it to another server",
		Long: "A task asks a person to copy it; when that is closed, everything is recorded on the other server. Until then nothing new is placed on\n" +
			"either of the two, and nobody gets them; operation cancel ends it before the task is closed.",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	fields := []field{{name: "to", kind: ref, of: "server", usage: "server that gets it", required: true}, reason(true)}
	f := p.form(c, fields)
	addWatching(c, &w)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		id, err := p.resolve(c.Context(), "server", args[0])
		if err != nil {
			return err
		}
		return p.started(c.Context(), w, func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path()+"/"+url.PathEscape(id)+"/move-content", body)
		})
	}
	return c
}

// allocatedCommand lists the servers that may be assigned to a plan, and those that are, or were taken (rule H7).
func (p *program) allocatedCommand(n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "allocated", Short: "List the servers for plans: those that may be assigned, are assigned, or were taken", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), n.path(), url.Values{"label": {"unassigned,available,taken"}, "all": {"true"}})
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			page, err := client.Object[client.Page](a)
			if err != nil {
				return err
			}
			return p.printPage(c.Context(), n, page)
		},
	}
}
