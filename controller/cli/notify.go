package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) webhookActions() []*cobra.Command {
	n := find("webhook")
	create := &cobra.Command{
		Use: "create", Aliases: []string{"add"}, Short: "Create one; its secret is shown once, now", Args: exactly(),
		Example: "  steelyard webhook create --name billing --url https://billing.example.com/steelyard --events 'service.*' > secret",
	}
	f := p.form(create, n.fields)
	demand(create, n.fields)
	create.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, n.fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		return p.showSecret("webhook %s made; this is its secret, shown this once:\n", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path(), body)
		})
	}
	rotate := p.webhookCommand("rotate", "Give it a new secret, shown once; for a day the old one signs as well", func(ctx context.Context, path string) error {
		return p.showSecret("webhook %s has a new secret, shown this once; the old one signs as well until tomorrow:\n", func(api *client.Client) (client.Answer, error) {
			return api.Post(ctx, path+"/rotate", nil)
		})
	})
	test := p.webhookCommand("test", "Send it a test event, and say how that went", func(ctx context.Context, path string) error {
		return p.tryReceiver(ctx, path+"/test", nil)
	})
	return []*cobra.Command{create, rotate, test}
}

func (p *program) webhookCommand(use, short string, do func(ctx context.Context, path string) error) *cobra.Command {
	n := find("webhook")
	return &cobra.Command{
		Use: use + " WEBHOOK", Short: short, Args: exactly("the name or id of one webhook"), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := p.resolve(c.Context(), n.name, args[0])
			if err != nil {
				return err
			}
			return do(c.Context(), n.path()+"/"+url.PathEscape(id))
		},
	}
}

// showSecret prints the secret of the answer alone on standard output, so that it
// can be kept; it cannot be shown again (rule X9).
func (p *program) showSecret(sentence string, ask func(*client.Client) (client.Answer, error)) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := ask(api)
	if err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, sentence, clean(r.label()))
	fmt.Fprintln(p.out, r.text("secret"))
	return nil
}

// testTime is how long a test waits for its end; an attempt takes up to half of it.
const testTime = time.Minute

// tryReceiver starts a test delivery and tells how it ended.
func (p *program) tryReceiver(ctx context.Context, path string, body any) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Post(ctx, path, body)
	if err != nil {
		return err
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	for until := p.now().Add(testTime); r.text("state") == notify.Pending && p.now().Before(until); {
		if err := p.pause(ctx, glance/2); err != nil {
			return err
		}
		if a, err = api.Get(ctx, "/v1/deliveries/"+url.PathEscape(r.text("id")), nil); err != nil {
			return err
		}
		if r, err = decode(a.Body); err != nil {
			return err
		}
	}
	switch {
	case r.text("state") == notify.Dead:
		return fault.Unavailable("the test did not arrive: %s", clean(r.text("error")))
	case p.json():
		return p.rawUnless(nil, a)
	case r.text("state") == notify.Pending:
		fmt.Fprintln(p.out, "the test is still on its way; see: steelyard delivery show "+clean(r.text("id")))
	default:
		fmt.Fprintln(p.out, "the test was taken by the receiver")
	}
	return nil
}

func (p *program) deliveryActions() []*cobra.Command {
	return []*cobra.Command{p.deed(find("delivery"), deed{
		use: "redeliver", short: "Send it again", below: "/redeliver", verb: "is sent again", fields: []field{reason(false)},
	})}
}

// mailFields are what mail set changes.
var mailFields = []field{
	{name: "host", usage: "name or IPv4 address of the mail server; empty: no mail is sent"},
	{name: "port", kind: whole, usage: "587 for starttls, 465 for tls"},
	{name: "security", usage: "starttls, tls or none"},
	{name: "user", usage: "who logs in at the mail server; the password is asked for"},
	{name: "from", usage: "address that mails come from"},
	{name: "base_url", usage: "address of this controller's API, for links in mails"},
}

// mailCommand is `steelyard mail`.
func (p *program) mailCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "mail", GroupID: setupGroup, Short: "The mail server of the fleet", Args: cobra.ArbitraryArgs, RunE: group,
		Long: "The mail server of the fleet. Which events are mailed to whom: steelyard mail-route --help.",
	}
	show := &cobra.Command{Use: "show", Short: "Show it, without its password", Args: exactly(), RunE: func(c *cobra.Command, _ []string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), "/v1/mail", nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}}
	test := &cobra.Command{
		Use: "test ADDRESS", Short: "Send a test mail, and say how that went", Args: exactly("a mail address"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.tryReceiver(c.Context(), "/v1/mail/test", map[string]any{"to": args[0]})
		},
	}
	c.AddCommand(show, p.mailSet(), test)
	return c
}

func (p *program) mailSet() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set", Short: "Change what is given; a password is asked for with --user", Args: exactly(),
		Example: "  steelyard mail set --host mail.example.com --port 587 --security starttls --user steelyard --from steelyard@example.com",
	}
	f := p.form(c, mailFields)
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	c.RunE = func(c *cobra.Command, _ []string) error {
		given, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		user, named := given["user"].(string)
		switch {
		case file != "" || named && user != "":
			password, err := p.password(file, "Password at the mail server: ", false)
			if err != nil {
				return err
			}
			given["password"] = string(password)
		case named:
			given["password"] = ""
		}
		if len(given) == 0 {
			return usage(c, "say what to change; %s --help lists the fields", c.CommandPath())
		}
		return p.putMail(c.Context(), given)
	}
	return c
}

func (p *program) putMail(ctx context.Context, given map[string]any) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Get(ctx, "/v1/mail", nil)
	if err != nil {
		return err
	}
	var whole map[string]any
	if err := json.Unmarshal(a.Body, &whole); err != nil {
		return fault.Internal("read the mail server: %w", err)
	}
	delete(whole, "password_set")
	if a, err = putOver(ctx, api, "/v1/mail", whole, given); err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	return outline(p.out, a.Body, p.now())
}
