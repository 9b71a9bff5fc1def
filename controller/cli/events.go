package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

func (p *program) eventsCommand() *cobra.Command {
	var from string
	var tables []string
	c := &cobra.Command{
		Use: "events", GroupID: fleetGroup, Short: "Watch what changes, as it happens", Args: exactly(),
		Long: "Prints each change until it is interrupted. With -o json one line is one event, as the API sends it.",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			query := url.Values{}
			if len(tables) > 0 {
				query.Set("tables", strings.Join(tables, ","))
			}
			return api.Events(c.Context(), query, from, p.printEvent)
		},
	}
	c.Flags().StringVar(&from, "from", "", "revision after which to begin; without it now")
	c.Flags().StringSliceVar(&tables, "tables", nil, "only these: servers, orders, operations, …")
	return c
}

func (p *program) printEvent(e client.Event) error {
	if p.json() {
		p.raw(p.out, e.Data)
		return nil
	}
	r, err := decode(e.Data)
	if err != nil {
		return err
	}
	if r.text("table") == "" {
		fmt.Fprintf(p.out, "%s\t%s\n", clean(r.text("rev")), clean(e.Name))
		return nil
	}
	object := record{"o": r.at("object")}
	what := first(object.text("o.message"), object.text("o.state"), object.text("o.name"))
	fmt.Fprintf(p.out, "%s\t%s\t%s/%s\t%s\n", clean(r.text("rev")), clean(first(r.text("type"), e.Name)), clean(r.text("table")), clean(r.text("id")), clean(what))
	return nil
}
