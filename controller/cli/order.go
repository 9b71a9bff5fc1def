package cli

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) orderActions() []*cobra.Command {
	n := find("order")
	w := watching{wait: true}
	watch := &cobra.Command{
		Use: "watch ORDER", Short: "Show how far it is until its service is active",
		Args: exactly("the id of one order"), ValidArgsFunction: p.completeArg("order"),
		RunE: func(c *cobra.Command, args []string) error { return p.followOrder(c.Context(), args[0], w) },
	}
	addWatching(watch, &w)
	return []*cobra.Command{p.placeCommand(n), watch, p.deed(n, deed{
		use: "cancel", short: "Withdraw it; what was held for it is given back", below: "/cancel", verb: "canceled", fields: []field{reason(false)},
	})}
}

var orderFields = []field{
	{name: "tariff", kind: ref, of: "tariff", usage: "what is ordered", required: true},
	{name: "image", kind: ref, of: "image", usage: "operating system", required: true},
	{name: "customer", usage: "for whom; customers need not say"},
	{name: "hostname", usage: "name of the installed system", required: true},
	{name: "ssh_keys", kind: list, usage: "public keys that may log in, or @FILE with one a line"},
	{name: "user_data", usage: "for cloud-init in the installed system: @FILE, kept sealed and never shown"},
	{name: "email_confirmed", kind: yes, usage: "the customer confirmed the e-mail address"},
}

func (p *program) placeCommand(n *noun) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use: "place", Short: "Order a server", Args: exactly(),
		Example: "  steelyard order place --tariff small --image debian --customer me --hostname web1.example.net --wait",
	}
	f := p.form(c, orderFields)
	demand(c, orderFields)
	addWatching(c, &w)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, orderFields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if err := cmp.Or(readKeys(body), readUserData(body)); err != nil {
			return err
		}
		place := func(api *client.Client) (client.Answer, error) { return api.Post(c.Context(), n.path(), body) }
		if !w.wait {
			return p.act(c.Context(), n, "placed", place)
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := place(api)
		if err != nil {
			return err
		}
		r, err := decode(a.Body)
		if err != nil {
			return err
		}
		return p.followOrder(c.Context(), r.text("id"), w)
	}
	return c
}

// readUserData puts the content of @FILE in its place. It may hold passwords, so it is no argument.
func readUserData(body map[string]any) error {
	given, ok := body["user_data"].(string)
	if !ok {
		return nil
	}
	file, ok := strings.CutPrefix(given, "@")
	if !ok {
		return fault.Invalid("--user-data: give @FILE; what is an argument can be seen by other users")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fault.Invalid("read the user data: %w", err)
	}
	body["user_data"] = string(content)
	return nil
}

// readKeys puts the lines of @FILE in its place.
func readKeys(body map[string]any) error {
	keys, _ := body["ssh_keys"].([]string)
	var out []string
	for _, key := range keys {
		file, ok := strings.CutPrefix(key, "@")
		if !ok {
			out = append(out, key)
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return fault.Invalid("read the public keys: %w", err)
		}
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				out = append(out, line)
			}
		}
	}
	if len(out) > 0 {
		body["ssh_keys"] = out
	}
	return nil
}
