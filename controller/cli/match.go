package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/offline"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

type matchFlags struct {
	inventory, order string
	location, kind   string
	tariff           string
	wish             *wishFlags
}

func (p *program) matchCommand() *cobra.Command {
	var m matchFlags
	c := &cobra.Command{
		Use: "match", GroupID: fleetGroup, Short: "Which server fits, or the closest one and what it lacks", Args: exactly(),
		Long: `Without --inventory the controller is asked which server an order would get now;
nothing is claimed. With --inventory the machines of a file are compared, without
any controller: an inventory as steelyard-agent prints it, or several of them.`,
		Example: "  steelyard match --cores 24 --memory 256GiB --disk 2x480GB:ssd\n  steelyard match --inventory servers.json --order order.json",
		RunE:    func(c *cobra.Command, _ []string) error { return p.runMatch(c, &m) },
	}
	f := c.Flags()
	f.StringVar(&m.inventory, "inventory", "", "file with the machines, - for standard input")
	f.StringVar(&m.order, "order", "", "file with what is wanted, instead of the flags below")
	f.StringVar(&m.tariff, "tariff", "", "what a tariff would get, by name or id")
	f.StringVar(&m.location, "location", "", "data centre, by name or id")
	f.StringVar(&m.kind, "server-type", "", "only servers of this type")
	m.wish = addWish(f)
	_ = c.RegisterFlagCompletionFunc("tariff", p.completeNoun("tariff"))     // the flag exists
	_ = c.RegisterFlagCompletionFunc("location", p.completeNoun("location")) // the flag exists
	return c
}

func (p *program) runMatch(c *cobra.Command, m *matchFlags) error {
	order, err := p.wanted(c, m)
	if err != nil {
		return err
	}
	if m.inventory != "" {
		return p.matchFiles(m.inventory, order)
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Post(c.Context(), "/v1/match", json.RawMessage(order))
	if err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	answer, err := client.Object[onlineAnswer](a)
	if err != nil {
		return err
	}
	if !answer.Found || answer.Result == nil {
		return fault.Refused("no available server could ever fit; `steelyard catalogue` shows what there is")
	}
	p.printBest(first(answer.Server, answer.Result.ServerID), answer.Result)
	return nil
}

// onlineAnswer is what /v1/match says.
type onlineAnswer struct {
	Found  bool          `json:"found"`
	Server string        `json:"server"`
	Result *match.Result `json:"result"`
}

// wanted is the order as JSON: a file, or made from the flags.
func (p *program) wanted(c *cobra.Command, m *matchFlags) ([]byte, error) {
	given := m.wish.given(c.Flags())
	switch {
	case m.order != "" && given:
		return nil, usage(c, "give --order or the parts as flags, not both")
	case m.order != "":
		return p.readFile(m.order)
	case m.tariff != "" && m.inventory == "":
		id, err := p.resolve(c.Context(), "tariff", m.tariff)
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{"tariff": id})
	case !given:
		return nil, usage(c, "say what is wanted: --order FILE, --tariff, or parts such as --cores 24 --memory 256GiB")
	}
	configuration, err := m.wish.configuration()
	if err != nil {
		return nil, err
	}
	order := map[string]any{"configuration": configuration}
	if m.kind != "" {
		order["server_type"] = m.kind
	}
	if m.location != "" {
		order["location"] = m.location
		if m.inventory == "" {
			if order["location"], err = p.resolve(c.Context(), "location", m.location); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(order)
}

func (p *program) readFile(name string) ([]byte, error) {
	in := p.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.Invalid("read %s: %w", name, err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, offline.MaxBytes+1))
	if err != nil {
		return nil, fault.Invalid("read %s: %w", name, err)
	}
	return content, nil
}

// matchFiles answers without a controller. No machine that could ever fit is a
// refusal.
func (p *program) matchFiles(inventory string, order []byte) error {
	wish, err := offline.Order(order)
	if err != nil {
		return err
	}
	content, err := p.readFile(inventory)
	if err != nil {
		return err
	}
	servers, err := offline.Inventories(content)
	if err != nil {
		return err
	}
	answer := offline.Match(servers, wish)
	if p.json() {
		err = p.printJSON(answer)
	} else {
		p.printMatch(answer, wish.Configuration)
	}
	if err == nil && !answer.Found {
		return fault.Refused("none of these machines could ever fit")
	}
	return err
}

func (p *program) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	p.raw(p.out, text)
	return nil
}

func (p *program) printMatch(a offline.Answer, wanted hardware.Configuration) {
	fmt.Fprintf(p.out, "wanted: %s\n", clean(wanted.String()))
	if a.Best != nil {
		p.printBest(a.Best.ServerID, a.Best)
	}
	for _, o := range a.Others {
		fmt.Fprintf(p.out, "then %s, at %d points\n", clean(o.ServerID), o.Distance)
	}
	for _, r := range a.RuledOut {
		fmt.Fprintf(p.out, "not %s: %s\n", clean(r.ServerID), clean(r.Reason))
	}
}

// printBest tells how well a server fits, and what to change about it.
func (p *program) printBest(name string, b *match.Result) {
	verdict := "fits exactly"
	if !b.Exact {
		verdict = fmt.Sprintf("is the closest, at a distance of %d points", b.Distance)
	}
	fmt.Fprintf(p.out, "%s %s: %s\n", clean(name), verdict, clean(b.Configuration.String()))
	for _, change := range b.Changes {
		fmt.Fprintf(p.out, "  %s (%d)\n", clean(change.Text), change.Cost)
	}
}

func (p *program) catalogueCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "catalogue", GroupID: fleetGroup, Aliases: []string{"stock"}, Short: "Which configurations are available, and how many of each", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), "/v1/catalogue", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return p.printStock(c, a)
		},
	}
	refresh := &cobra.Command{
		Use: "refresh", Short: "Build it anew from the inventory", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Post(c.Context(), "/v1/catalogue/refresh", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			fmt.Fprintln(p.out, "the catalogue follows the inventory")
			return nil
		},
	}
	c.AddCommand(refresh)
	return c
}

func (p *program) printStock(c *cobra.Command, a client.Answer) error {
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, class := range r.list("classes") {
		rows = append(rows, []string{
			class.text("free"), p.nameOf(c.Context(), "location", class.text("location")), class.text("server_type"),
			first(class.text("text"), configurationText(class.at("configuration"))),
		})
	}
	p.table([]string{"FREE", "LOCATION", "SERVER TYPE", "CONFIGURATION"}, rows)
	return nil
}
