package cli

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// fleetSettings are what flags change, by their JSON names.
var fleetSettings = []field{
	{name: "require_confirmed_email", kind: yes, usage: "take orders only from customers who confirmed their e-mail address"},
	{name: "webhook_private_targets", kind: yes, usage: "let webhooks go to private and loopback addresses, and by http"},
	{name: "remote_private_targets", kind: yes, usage: "let modules of kind remote go to private and loopback addresses"},
	{name: "public_url", usage: "address at which people reach this controller, for links in letters"},
	{name: "require_second_factor", kind: yes, usage: "the provider's people log in with a second factor, or can do nothing but set one up"},
	{name: "time_zone", usage: "time zone by which months of usage begin, for example Europe/Berlin; empty: UTC"},
}

// settingsCommand shows what holds for the whole fleet, and changes what is given.
func (p *program) settingsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "settings", GroupID: setupGroup, Short: "What holds for the whole fleet", Args: exactly(),
		Example: "  steelyard settings\n  steelyard settings --require-confirmed-email=true",
	}
	f := p.form(c, fleetSettings)
	c.RunE = func(c *cobra.Command, _ []string) error {
		given, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), "/v1/settings", nil)
		if err == nil && len(given) > 0 {
			var whole map[string]any
			if err := json.Unmarshal(a.Body, &whole); err != nil {
				return fault.Internal("read the settings: %w", err)
			}
			a, err = putOver(c.Context(), api, "/v1/settings", whole, given)
		}
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}
	return c
}

// putOver puts a record back as it was read, with the given fields instead.
func putOver(ctx context.Context, api *client.Client, path string, whole, given map[string]any) (client.Answer, error) {
	maps.Copy(whole, given)
	return api.Put(ctx, path, whole)
}
