package cli

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

// sessionCommand shows one's own logins and ends them.
func (p *program) sessionCommand() *cobra.Command {
	c := &cobra.Command{Use: "session", Aliases: []string{"sessions"}, GroupID: setupGroup, Short: "Your logins that are open", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List them, with your tokens of programs", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), "/v1/sessions", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			r, err := decode(a.Body)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, s := range r.list("items") {
				rows = append(rows, []string{s.text("id"), s.text("kind"), s.text("name"), s.text("current"), s.text("address"), s.text("client"), words("seen_at", s.at("seen_at"), p.now()), words("expires_at", s.at("expires_at"), p.now())})
			}
			p.table([]string{"ID", "KIND", "NAME", "THIS", "FROM", "PROGRAM", "SEEN", "EXPIRES"}, rows)
			return nil
		},
	}, p.sessionEnd())
	return c
}

func (p *program) sessionEnd() *cobra.Command {
	var others bool
	c := &cobra.Command{Use: "end [ID]", Short: "End one of them, or all but this one", Args: cobra.MaximumNArgs(1)}
	c.Flags().BoolVar(&others, "others", false, "all but this one, and your tokens of programs")
	c.RunE = func(c *cobra.Command, args []string) error {
		if others == (len(args) == 1) {
			return usage(c, "give the id of one, or --others")
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		if others {
			_, err = api.Post(c.Context(), "/v1/sessions/end-others", nil)
		} else {
			_, err = api.Delete(c.Context(), "/v1/sessions/"+url.PathEscape(args[0]), "", nil)
		}
		if err == nil {
			fmt.Fprintln(p.err, "ended")
		}
		return err
	}
	return c
}
