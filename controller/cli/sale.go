package cli

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) saleActions() []*cobra.Command {
	n := find("sale")
	return []*cobra.Command{
		p.saleMake(),
		p.deed(n, deed{
			use: "revoke", short: "Take a sold server back, or give one back", below: "/revoke", verb: "is being taken back", fields: []field{reason(true)},
			long: "Names the sale, or its server. Only while customers have nothing on it. Nothing new is placed on it from then on; a hosting node is looked at before it is free. When something is left\n" +
				"of the reseller's, or it cannot be looked at, the sale asks: steelyard sale continue, or cancel; revoke looks again. A bare server has to be erased before anybody gets it.",
		}),
		p.deed(n, deed{
			use: "continue", short: "Release the server in spite of what is left on it", below: "/continue", verb: "is being taken back", fields: []field{reason(true)},
			long: "Nobody gets the server before an inspection finds nothing, or an operator clears it with a reason.",
		}),
		p.deed(n, deed{use: "cancel", short: "Do not take the server back after all", below: "/cancel", verb: "is kept", fields: []field{reason(false)}}),
	}
}

// choice is which free servers are sold, when they are not named.
type choice struct {
	location, service, pool, label string
	count                          int
}

// filtered reports whether a filter is given that asks for more than an empty machine somewhere.
func (c choice) filtered() bool { return c.service != "" || c.pool != "" || c.label != "" }

func (p *program) saleMake() *cobra.Command {
	var from choice
	c := &cobra.Command{
		Use: "make RESELLER [SERVER]...", Aliases: []string{"create", "add"}, Short: "Sell servers to a reseller",
		Long: "Sells the servers that are named, or --count free ones out of those that the filters leave, longest free first: bare machines, and with --service, --pool or\n" +
			"--label hosting nodes too. A reseller sells onward, to one directly below him, what he was sold himself.\n" +
			"Each is sold by itself, and a line tells what became of it. The exit status is 1 when one of them was not sold.",
		Example: "  steelyard sale make acme web1 web2\n  steelyard sale make acme --count 2 --location Frankfurt\n  steelyard sale make acme --count 1 --service mail --pool front",
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: p.completeSale,
	}
	c.Flags().StringVar(&from.location, "location", "", "out of the free servers of this data centre")
	c.Flags().StringVar(&from.service, "service", "", "out of the free servers that carry a logical server of this type: "+strings.Join(reselling.ServiceTypes, ", "))
	c.Flags().StringVar(&from.pool, "pool", "", "out of the free servers of this server pool")
	c.Flags().StringVar(&from.label, "label", "", "out of the servers that are this for resellers: free, or unassigned")
	c.Flags().IntVar(&from.count, "count", 0, "so many free servers, instead of named ones")
	for flag, f := range map[string]completion{
		"location": p.completeNoun("location"), "pool": p.completeNoun("server-pool"), "service": fixed(reselling.ServiceTypes...),
		"label": fixed(string(fleet.LabelFree), string(fleet.LabelUnassigned)),
	} {
		_ = c.RegisterFlagCompletionFunc(flag, f) // the flag exists
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if (len(args) > 1) == (from.count > 0) {
			return usage(c, "name the servers, or say how many free ones with --count: one of the two")
		}
		if len(args) > 1 && (from.filtered() || from.location != "") {
			return usage(c, "the filters choose servers for --count; you named them")
		}
		if from.count > reselling.MaxSold {
			return usage(c, "--count is %d; %d are the most", from.count, reselling.MaxSold)
		}
		servers, err := p.toSell(c.Context(), args[1:], from)
		if err != nil {
			return err
		}
		reseller, err := p.resolve(c.Context(), "reseller", args[0])
		if err != nil {
			return err
		}
		return p.sell(c.Context(), reseller, servers)
	}
	return c
}

// completeSale offers servers.
func (p *program) completeSale(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.completeNoun("server")(c, args, typed)
}

// offer is a server to sell: its id, and what the person calls it.
type offer struct{ id, name string }

// toSell are the servers that are named, or free ones.
func (p *program) toSell(ctx context.Context, names []string, from choice) (list []offer, err error) {
	for _, name := range names {
		id, err := p.resolve(ctx, "server", name)
		if err != nil {
			return nil, err
		}
		list = append(list, offer{id, name})
	}
	if len(names) > 0 {
		return list, nil
	}
	return p.free(ctx, from)
}

// filters are what the list of servers is asked with. Who asks for a service, a pool or a label means hosting nodes too.
func (p *program) filters(ctx context.Context, from choice) (url.Values, error) {
	query := url.Values{"sort": {"free_since"}, "limit": {strconv.Itoa(from.count)}}
	seller, err := p.ownReseller(ctx)
	switch {
	case err != nil:
		return nil, err
	case seller != "":
		query["reseller"], query["claim"], query["sellable"] = []string{seller}, []string{fleet.ClaimReseller}, []string{"true"}
	case from.filtered():
		query["claim"], query["sellable"] = []string{fleet.ClaimNone}, []string{"true"}
	default:
		query["claim"], query["available"] = []string{fleet.ClaimNone}, []string{"true"}
	}
	for name, value := range map[string]string{"service": from.service, "label": from.label} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, f := range map[string]struct{ of, value string }{"location": {"location", from.location}, "pool": {"server-pool", from.pool}} {
		if f.value == "" {
			continue
		}
		id, err := p.resolve(ctx, f.of, f.value)
		if err != nil {
			return nil, err
		}
		query.Set(name, id)
	}
	return query, nil
}

// ownReseller is the path of the reseller who asks, or for whom somebody acts; "" for the provider's people.
func (p *program) ownReseller(ctx context.Context) (string, error) {
	api, err := p.api()
	if err != nil {
		return "", err
	}
	a, err := api.Get(ctx, "/v1/whoami", nil)
	if err != nil {
		return "", err
	}
	r, err := decode(a.Body)
	if err != nil {
		return "", err
	}
	return r.text("reseller.path"), nil
}

// free are the first free servers that the filters leave (rules S3, S4).
func (p *program) free(ctx context.Context, from choice) (list []offer, err error) {
	query, err := p.filters(ctx, from)
	if err != nil {
		return nil, err
	}
	api, err := p.api()
	if err != nil {
		return nil, err
	}
	a, err := api.Get(ctx, find("server").path(), query)
	if err != nil {
		return nil, err
	}
	page, err := client.Object[client.Page](a)
	if err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		r, err := decode(item)
		if err != nil {
			return nil, err
		}
		list = append(list, offer{r.text("id"), r.text("name")})
	}
	if len(list) < from.count {
		return nil, fault.Refused("%d such servers are free, not %d; nothing was sold", len(list), from.count)
	}
	return list, nil
}

// sell asks for all of them, and tells of each what became of it.
func (p *program) sell(ctx context.Context, reseller string, servers []offer) error {
	names, ids := map[string]string{}, make([]string, len(servers))
	for i, o := range servers {
		names[o.id], ids[i] = o.name, o.id
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Post(ctx, "/v1/sales", map[string]any{"reseller": reseller, "servers": ids})
	if err != nil {
		return err
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	if p.json() {
		p.raw(p.out, a.Body)
	} else {
		var rows [][]string
		for _, one := range r.list("results") {
			rows = append(rows, []string{first(names[one.text("server")], one.text("server")), one.text("outcome"), one.text("sale"), one.text("message")})
		}
		p.table([]string{"SERVER", "OUTCOME", "SALE", "MESSAGE"}, rows)
	}
	if failed := r.text("failed"); failed != "0" {
		return fault.Refused("%s of %d servers were not sold", failed, len(servers))
	}
	return nil
}

// saleOf is the sale that a server is in, by the server's name or id: the last one, when it was sold onward.
func (p *program) saleOf(ctx context.Context, server string) (string, error) {
	id, err := p.resolve(ctx, "server", server)
	if err != nil {
		return "", err
	}
	api, err := p.api()
	if err != nil {
		return "", err
	}
	a, err := api.Get(ctx, find("sale").path(), url.Values{
		"server": {id}, "state": {strings.Join([]string{reselling.Sold, reselling.Revoking, reselling.Asking}, ",")}, "sort": {"-sold_at"}, "limit": {"1"},
	})
	if err != nil {
		return "", err
	}
	page, err := client.Object[client.Page](a)
	if err != nil {
		return "", err
	}
	if len(page.Items) == 0 {
		return "", fault.NotFound("server %q is not sold to a reseller; see: steelyard sale list", server)
	}
	r, err := decode(page.Items[0])
	if err != nil {
		return "", err
	}
	return r.text("id"), nil
}
