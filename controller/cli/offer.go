package cli

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

// valuesOf are values of properties as the API takes them: a whole number, none for no limit, true or false, or a word (rule X12).
func valuesOf(given map[string]string) map[string]any {
	body := map[string]any{}
	for name, text := range given {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case text == "none":
			body[name] = reselling.NoLimit
		case text == "true" || text == "on":
			body[name] = true
		case text == "false" || text == "off":
			body[name] = false
		case err == nil:
			body[name] = n
		default:
			body[name] = text
		}
	}
	return body
}

const valuesUsage = "by property: disk_mib=1000,traffic_mib=none,php=on,shell=/bin/bash; none is no limit, which is not 0"

var setValues = field{name: "values", kind: values, usage: valuesUsage, required: true}

func (p *program) offerActions() []*cobra.Command {
	n := find("offer")
	return []*cobra.Command{
		p.previewCommand(n, preview{
			long:    "Tells who would get other values, who would be over a limit, and who would become unsynced because his node lacks something. Nothing is changed.",
			example: "  steelyard offer preview Gold --values mailboxes=5,php=on",
			fields: []field{
				{name: "name", usage: "another name"},
				{name: "values", kind: values, usage: valuesUsage},
				{name: "changeable", kind: list, usage: "properties that the subscriber may change"},
			},
		}),
		p.deed(n, deed{
			use: "replace", short: "Move everybody who has it to another offer, then delete it", below: "/replace", verb: "is being replaced", question: "Move everybody who has %s to the other offer, and delete it?",
			long:   "Moves everybody who has the offer to another one of the same kind, one after the other, and deletes it when the last one was moved.\nWhat subscriptions have of their own stays.",
			fields: []field{{name: "with", kind: ref, of: "offer", usage: "the offer that everybody gets instead", required: true}, reason(false)},
		}),
		p.deed(n, deed{use: "retire", short: "Let nobody new get it; who has it keeps it", below: "/retire", verb: "is retired", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "resume", short: "Sell it again", below: "/resume", verb: "is sold again", fields: []field{reason(false)}}),
	}
}

// preview is what an edit would do, before it is made.
type preview struct {
	long, example string
	fields        []field
}

// previewCommand tells what an edit of an offer, or of a reseller plan, would do.
func (p *program) previewCommand(n *noun, pre preview) *cobra.Command {
	c := &cobra.Command{
		Use: "preview " + strings.ToUpper(n.name), Short: "Tell what an edit would do, and change nothing", Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
		Long: pre.long, Example: pre.example,
	}
	f := p.form(c, pre.fields)
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		id, err := p.resolve(c.Context(), n.name, args[0])
		if err != nil {
			return err
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Post(c.Context(), n.path()+"/"+url.PathEscape(id)+"/preview", body)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}
	return c
}

func (p *program) subscriptionActions() []*cobra.Command {
	n := find("subscription")
	addOn := []field{{name: "offer", kind: ref, of: "offer", usage: "the add-on", required: true}}
	return []*cobra.Command{
		p.standingCommand(n, "Where each value comes from, what a sync would do, and what is over its limit"),
		p.deed(n, deed{use: "sync", short: "Bring it to the present editions of its plan and add-ons", below: "/sync", verb: "is synced", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "take", short: "Accept what is available instead of what is promised", below: "/take", verb: "has what is available", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "unlock", short: "Give up the values that locked it, and sync it", below: "/unlock", verb: "follows its plan", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "detach", short: "Take it off its plan; it keeps its values", below: "/detach", verb: "is custom", fields: []field{reason(false)}, question: "Take %s off its plan and its add-ons? No edit of them reaches it then."}),
		p.deed(n, deed{use: "suspend", short: "Suspend it by hand", below: "/suspend", verb: "is suspended", fields: []field{reason(true)}}),
		p.deed(n, deed{use: "unsuspend", short: "Lift the suspension by hand; it is active when no other reason is left", below: "/unsuspend", verb: "is not suspended by hand any more", fields: []field{reason(false)}}),
		p.deed(n, deed{
			use: "set", short: "Give it values of its own, which lock it", below: "/set", verb: "has values of its own",
			long:   "Gives it values of its own. It is locked then: no edit of its plan reaches it. With --pin only these properties are kept from sync.",
			fields: []field{setValues, {name: "pin", kind: yes, usage: "keep only these properties from sync"}, reason(false)},
		}),
		p.deed(n, deed{use: "choose", short: "Choose values that the plan lets the subscriber change", below: "/choose", verb: "has what was chosen", fields: []field{setValues}}),
		p.deed(n, deed{use: "unset", short: "Let properties be what the offers say again", below: "/unset", verb: "has what its offers say", fields: []field{{name: "properties", kind: list, usage: "which ones", required: true}}}),
		p.deed(n, deed{use: "switch", short: "Give it another plan", below: "/switch", verb: "has another plan", fields: []field{{name: "plan", kind: ref, of: "offer", usage: "the service plan", required: true}}}),
		p.deed(n, deed{use: "give", short: "Give it an add-on", below: "/give", verb: "has the add-on", fields: addOn}),
		p.deed(n, deed{use: "drop", short: "Take an add-on away; nothing is deleted", below: "/drop", verb: "has the add-on no more", fields: addOn}),
	}
}

// standingCommand shows a subscription, or a reseller, from all sides.
func (p *program) standingCommand(n *noun, short string) *cobra.Command {
	return &cobra.Command{
		Use: "standing " + strings.ToUpper(n.name), Short: short,
		Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := p.resolve(c.Context(), n.name, args[0])
			if err != nil {
				return err
			}
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), n.path()+"/"+url.PathEscape(id)+"/standing", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return outline(p.out, a.Body, p.now())
		},
	}
}

// accountDefaultsCommand shows what new accounts get, and changes what is given.
func (p *program) accountDefaultsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "account-defaults", GroupID: fleetGroup, Short: "What new accounts get: default mailbox, shell, virus scan, IMAP", Args: exactly(),
		Example: "  steelyard account-defaults --reseller acme\n  steelyard account-defaults --default-mailbox --mailbox-name info",
	}
	f := p.form(c, []field{
		{name: "reseller", kind: ref, of: "reseller", usage: "whose accounts; none: the provider's, or of who asks"},
		{name: "default_mailbox", kind: yes, usage: "each new account gets a mailbox"},
		{name: "mailbox_name", usage: "its name, before the @"},
		{name: "shell", usage: "/bin/false, /bin/shell or /bin/bash; empty is what the offer says"},
		{name: "virus_scan", usage: "on, off or default: what the offer says"},
		{name: "imap", usage: "on, off or default: what the offer says"},
	})
	c.RunE = func(c *cobra.Command, _ []string) error {
		given, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		query, asked := url.Values{}, len(given)
		if of, ok := given["reseller"].(string); ok {
			query.Set("reseller", of)
			asked--
		}
		a, err := api.Get(c.Context(), "/v1/account-defaults", query)
		if err == nil && asked > 0 {
			a, err = putDefaults(c, api, a, given)
		}
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}
	return c
}

func putDefaults(c *cobra.Command, api *client.Client, a client.Answer, given map[string]any) (client.Answer, error) {
	var whole map[string]any
	if err := json.Unmarshal(a.Body, &whole); err != nil {
		return a, fault.Internal("read the account defaults: %w", err)
	}
	return putOver(c.Context(), api, "/v1/account-defaults", whole, given)
}
