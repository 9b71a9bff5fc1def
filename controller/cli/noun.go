package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// nounCommand is `steelyard NOUN` with its generic and its own commands.
func (p *program) nounCommand(n *noun) *cobra.Command {
	c := &cobra.Command{Use: n.name, Aliases: n.aliases, Short: n.short, Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(p.listCommand(n))
	if !n.listOnly {
		c.AddCommand(p.showCommand(n))
	}
	if n.create {
		c.AddCommand(p.createCommand(n))
	}
	if n.edit {
		c.AddCommand(p.editCommand(n))
	}
	if n.delete {
		c.AddCommand(p.deleteCommand(n))
	}
	c.AddCommand(p.actions(n.name)...)
	return c
}

// actions are what one noun has beyond the others.
func (p *program) actions(noun string) []*cobra.Command {
	switch noun {
	case "server":
		return p.serverActions()
	case "address":
		return p.addressActions()
	case "placement":
		return p.placementActions()
	case "order":
		return p.orderActions()
	case "service":
		return p.serviceActions()
	case "operation":
		return p.operationActions()
	case "erasure":
		return p.erasureActions()
	case "task":
		return p.taskActions()
	case "image":
		return p.imageActions()
	case "token":
		return p.tokenActions()
	case "user":
		return p.userActions()
	case "customer":
		return p.customerActions()
	case "switch":
		return p.switchActions()
	case "reseller":
		return p.resellerActions()
	case "reseller-plan":
		return p.planActions()
	case "offer":
		return p.offerActions()
	case "account":
		return p.accountActions()
	case "forward":
		return p.forwardActions()
	case "subscription":
		return p.subscriptionActions()
	case "signup":
		return p.signUpActions()
	case "webhook":
		return p.webhookActions()
	case "delivery":
		return p.deliveryActions()
	case "sale":
		return p.saleActions()
	}
	return nil
}

// listing is what a list is asked for.
type listing struct {
	limit              int
	all                bool
	cursor, sort, text string
	filters            map[string]*string
}

func (p *program) listCommand(n *noun) *cobra.Command {
	l := listing{filters: map[string]*string{}}
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List " + n.plural, Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return p.runList(c, n, &l) },
	}
	f := c.Flags()
	f.IntVar(&l.limit, "limit", 100, "at most that many, up to 1000")
	f.BoolVar(&l.all, "all", false, "all of them")
	f.StringVar(&l.cursor, "cursor", "", "go on where the last page ended")
	f.StringVar(&l.sort, "sort", "", "fields to sort by, separated by commas; a minus turns one around")
	f.StringVarP(&l.text, "query", "q", "", "only those that contain this text")
	for _, name := range n.filters {
		flag := dashed(name)
		l.filters[name] = f.String(flag, "", "only those with this "+strings.ReplaceAll(name, "_", " ")+"; several separated by commas")
		f.Lookup(flag).NoOptDefVal = noValue(name)
		if of := n.refs[name]; of != "" {
			_ = c.RegisterFlagCompletionFunc(flag, p.completeNoun(of)) // the flag exists
		}
	}
	return c
}

// noValue lets `--available` mean true.
func noValue(filter string) string {
	switch filter {
	case "available", "connected", "maintenance", "quarantine", "retired", "revoked", "disabled", "allocated_server", "proven", "pin_waiting", "allow_weak", "automatic", "oversell", "locked", "unsynced", "active":
		return "true"
	}
	return ""
}

func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }

func (p *program) runList(c *cobra.Command, n *noun, l *listing) error {
	query, err := p.listQuery(c, n, l)
	if err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Get(c.Context(), n.path(), query)
	if err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	page, err := client.Object[client.Page](a)
	if err != nil {
		return err
	}
	if err := p.printPage(c.Context(), n, page); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(p.err, "%d of %d shown; --all shows the rest, --cursor %s the next page\n", len(page.Items), page.Total, clean(page.Next))
	}
	return nil
}

func (p *program) listQuery(c *cobra.Command, n *noun, l *listing) (url.Values, error) {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("cursor", l.cursor)
	set("sort", l.sort)
	set("q", l.text)
	if l.all {
		set("all", "true")
	} else if c.Flags().Changed("limit") {
		set("limit", strconv.Itoa(l.limit))
	}
	for name, value := range l.filters {
		if !c.Flags().Changed(dashed(name)) {
			continue
		}
		resolved, err := p.resolveList(c.Context(), n.refs[name], *value)
		if err != nil {
			return nil, err
		}
		query.Set(name, resolved)
	}
	return query, nil
}

// resolveList turns names of a noun into ids; other values stay as they are.
func (p *program) resolveList(ctx context.Context, of, values string) (string, error) {
	if of == "" {
		return values, nil
	}
	ids := strings.Split(values, ",")
	for i, value := range ids {
		id, err := p.resolve(ctx, of, value)
		if err != nil {
			return "", err
		}
		ids[i] = id
	}
	return strings.Join(ids, ","), nil
}

func (p *program) printPage(ctx context.Context, n *noun, page client.Page) error {
	header := make([]string, len(n.columns))
	for i, col := range n.columns {
		header[i] = col.head
	}
	rows := make([][]string, len(page.Items))
	for i, item := range page.Items {
		r, err := decode(item)
		if err != nil {
			return err
		}
		rows[i] = p.row(ctx, n, r)
	}
	p.table(header, rows)
	return nil
}

func (p *program) row(ctx context.Context, n *noun, r record) []string {
	row := make([]string, len(n.columns))
	for i, col := range n.columns {
		switch {
		case col.path == "configuration":
			row[i] = configurationText(r.at(col.path))
		case col.of != "":
			row[i] = p.nameOf(ctx, col.of, r.text(col.path))
		default:
			row[i] = r.text(col.path)
		}
	}
	return row
}

func configurationText(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var c hardware.Configuration
	if json.Unmarshal(body, &c) != nil {
		return string(body)
	}
	return c.String()
}

func (p *program) showCommand(n *noun) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "show " + strings.ToUpper(n.name), Aliases: []string{"get"}, Short: "Show one, by name or id",
		Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := p.fetch(c.Context(), n, args[0])
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			leave := n.hide
			if all {
				leave = nil
			}
			return outline(p.out, a.Body, p.now(), leave...)
		},
	}
	if len(n.hide) > 0 {
		c.Flags().BoolVar(&all, "all", false, "also "+strings.Join(n.hide, ", "))
	}
	return c
}

// fetch reads one object.
func (p *program) fetch(ctx context.Context, n *noun, name string) (client.Answer, error) {
	api, err := p.api()
	if err != nil {
		return client.Answer{}, err
	}
	id, err := p.resolve(ctx, n.name, name)
	if err != nil {
		return client.Answer{}, err
	}
	return api.Get(ctx, n.path()+"/"+url.PathEscape(id), nil)
}

// rawUnless prints an answer as it came, unless there was none.
func (p *program) rawUnless(err error, a client.Answer) error {
	if err == nil {
		p.raw(p.out, a.Body)
	}
	return err
}
