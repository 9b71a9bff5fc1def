package cli

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

var tokenFields = []field{
	{name: "name", usage: "what it is for", required: true},
	{name: "role", usage: "api: what it may do"},
	{name: "department", usage: "api, with role department"},
	{name: "customer", usage: "api, with role customer: id of a customer, or what his orders say"},
	{name: "reseller", kind: ref, of: "reseller", usage: "api, with role reseller: whose"},
	{name: "permissions", kind: list, usage: "api: all that it may do, of what its role may; none given: all of that"},
	{name: "location", kind: ref, of: "location", usage: "join: where the machines are"},
	{name: "max_uses", kind: whole, usage: "join: how many machines may use it; 0 is no limit"},
	{name: "auto_approve", kind: yes, usage: "join: the machines need no approval"},
}

func (p *program) tokenActions() []*cobra.Command {
	n := find("token")
	revoke := p.deleteCommand(n) // the API calls it deleting
	revoke.Use, revoke.Aliases, revoke.Short = "revoke TOKEN", []string{"delete", "rm"}, "End it: nobody gets in with it any more"
	return []*cobra.Command{p.tokenCreate(n), p.tokenOwn(n), revoke}
}

var ownTokenFields = []field{
	{name: "name", usage: "what it is for", required: true},
	{name: "permissions", kind: list, usage: "all that it may do; each is one of yours, see: steelyard whoami", required: true},
}

func (p *program) tokenOwn(n *noun) *cobra.Command {
	c := &cobra.Command{
		Use: "own", Short: "Make a token for a program that does some of what you may do", Args: exactly(),
		Long:    "It ends after 30 days, with your account, or when your password is changed. Its secret is shown once, now.",
		Example: "  steelyard token own --name orders --permissions order.read,order.place",
	}
	f := p.form(c, ownTokenFields)
	demand(c, ownTokenFields)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, ownTokenFields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		return p.createToken(c, n.path()+"/own", body)
	}
	return c
}

func (p *program) tokenCreate(n *noun) *cobra.Command {
	var api, join bool
	var expires time.Duration
	c := &cobra.Command{
		Use: "create", Short: "Make a token; its secret is shown once, now", Args: exactly(),
		Example: "  steelyard token create --join --name rack7 --location fra --max-uses 40\n  steelyard token create --api --name billing --role operations --expires 720h",
	}
	f := p.form(c, tokenFields)
	c.Flags().BoolVar(&api, "api", false, "for a program")
	c.Flags().BoolVar(&join, "join", false, "for agents that join the fleet")
	c.Flags().DurationVar(&expires, "expires", 0, "how long it is good for, for example 72h")
	c.MarkFlagsMutuallyExclusive("api", "join")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if api == join {
			return usage(c, "say which kind: --api or --join")
		}
		if err := missing(c, tokenFields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		body["kind"] = map[bool]string{true: "join", false: "api"}[join]
		if c.Flags().Changed("expires") {
			body["expires_at"] = p.now().Add(expires).UTC().Format(time.RFC3339)
		}
		return p.createToken(c, n.path(), body)
	}
	return c
}

// createToken prints the secret alone on standard output, so that it can be kept:
// steelyard token create … > file. It cannot be shown again (rule X9).
func (p *program) createToken(c *cobra.Command, path string, body map[string]any) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Post(c.Context(), path, body)
	if err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "token %s made; this is its secret, shown this once:\n", clean(r.label()))
	fmt.Fprintln(p.out, first(r.text("join"), r.text("secret"), r.text("token")))
	return nil
}

var userFields = []field{
	{name: "name", usage: "login name or e-mail address", required: true},
	{name: "email", usage: "where letters go, such as a link for a new password; the name, if that is an address, unless given"},
	{name: "role", usage: "admin, systems, operations, marketing, department, reseller or customer", required: true},
	{name: "department", usage: "with role department"},
	{name: "customer", usage: "with role customer: whose objects the user sees; id of a customer, or what his orders say"},
	{name: "reseller", kind: ref, of: "reseller", usage: "with role reseller: whose"},
}

func (p *program) userActions() []*cobra.Command {
	n := find("user")
	return []*cobra.Command{
		p.userCreate(n),
		p.userPassword(n),
		p.deed(n, deed{use: "disable", short: "No longer let the user in", below: "/disable", verb: "disabled"}),
		p.deed(n, deed{use: "enable", short: "Let the user in again", below: "/enable", verb: "enabled"}),
		p.secondFactorCommand(n),
	}
}

func (p *program) customerActions() []*cobra.Command {
	n := find("customer")
	return []*cobra.Command{
		p.deed(n, deed{use: "disable", short: "Keep the customer's people out; what the customer has goes on", below: "/disable", verb: "disabled", fields: []field{reason(true)}}),
		p.deed(n, deed{use: "enable", short: "Let the customer's people in again", below: "/enable", verb: "enabled"}),
	}
}

func (p *program) userCreate(n *noun) *cobra.Command {
	var file string
	c := &cobra.Command{Use: "create", Short: "Create a user; the password is asked for", Args: exactly()}
	f := p.form(c, userFields)
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, userFields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		password, err := p.password(file, "Password of the new user: ", true)
		if err != nil {
			return err
		}
		body["password"] = string(password)
		return p.act(c.Context(), n, "created", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path(), body)
		})
	}
	return c
}

func (p *program) userPassword(n *noun) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "password USER", Short: "Set a user's password; it is asked for",
		Args: exactly("the name or id of one user"), ValidArgsFunction: p.completeArg("user"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := p.resolve(c.Context(), "user", args[0])
			if err != nil {
				return err
			}
			password, err := p.password(file, "New password: ", true)
			if err != nil {
				return err
			}
			body := map[string]any{"password": string(password)}
			return p.act(c.Context(), n, "has a new password", func(api *client.Client) (client.Answer, error) {
				return api.Put(c.Context(), n.path()+"/"+url.PathEscape(id)+"/password", body)
			})
		},
	}
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	return c
}
