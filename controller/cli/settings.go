package cli

import (
	"github.com/spf13/cobra"
)

// settingsCommand shows what holds for the whole fleet, and changes what is given.
func (p *program) settingsCommand() *cobra.Command {
	var confirmed bool
	c := &cobra.Command{
		Use: "settings", GroupID: setupGroup, Short: "What holds for the whole fleet", Args: exactly(),
		Example: "  steelyard settings\n  steelyard settings --require-confirmed-email=true",
	}
	c.Flags().BoolVar(&confirmed, "require-confirmed-email", false, "take orders only from customers who confirmed their e-mail address")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), "/v1/settings", nil)
		if err == nil && c.Flags().Changed("require-confirmed-email") {
			a, err = api.Put(c.Context(), "/v1/settings", map[string]bool{"require_confirmed_email": confirmed})
		}
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}
	return c
}
