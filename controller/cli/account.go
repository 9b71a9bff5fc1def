package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/pkg/fault"
)

var accountFields = []field{
	{name: "domain", usage: "as it is, or pasted from a browser", required: true},
	{name: "offer", kind: ref, of: "offer", usage: "the service plan that it is sold by", required: true},
	{name: "add_ons", kind: refs, of: "offer", usage: "add-ons"},
	{name: "customer", kind: ref, of: "customer", usage: "whose it is"},
	{name: "reseller", kind: ref, of: "reseller", usage: "whose customer; none: the provider, or who asks"},
	{name: "server", kind: ref, of: "server", usage: "hosting node; none: one of the reseller's by plan, or of a pool that chooses by itself"},
	{name: "imap", usage: "default, on or off"},
	{name: "virus_scan", usage: "default, on or off"},
	{name: "shell", usage: "/bin/false, /bin/shell or /bin/bash; as the offer says unless given"},
}

var (
	wordField     = field{name: "name", usage: "a word of small letters, digits and _; the user name and _ are put in front", required: true}
	addressField  = field{name: "address", usage: "in front of the @, or all of it", required: true}
	passwordField = field{name: "password", kind: secret, usage: "file that holds the password, or - to be asked"}
	dirField      = field{name: "dir", usage: "directory below the home, such as htdocs/shop; none is all of it"}
	quotaField    = field{name: "quota_mib", kind: whole, usage: "limit of the mailbox in MiB; none unless given"}
)

func (p *program) accountActions() []*cobra.Command {
	n := find("account")
	drop := func(use, short, below string, f field, question string) *cobra.Command {
		return p.deed(n, deed{use: use, short: short, below: below, method: http.MethodDelete, verb: "has it no more", fields: []field{f}, question: question})
	}
	sub := field{name: "name", usage: "one label, such as shop, or the whole name", required: true}
	return []*cobra.Command{
		p.accountCreate(n), p.accountUsage(n), p.accountQuarterHours(n), p.accountWatch(n), p.accountRemoval(n), p.accountRemove(n),
		p.deed(n, deed{use: "retry", short: "Let its node try at once what it could not do", below: "/retry", verb: "is tried again", fields: []field{reason(false)}}),
		p.accountPassword(n, "password", "/password", "Set its password: console, system and FTP together"),
		p.accountPassword(n, "database-password", "/database-password", "Set the password of its database user"),
		p.accountPart(n, "add-subdomain", "Add a site below its domain", http.MethodPost, "/subdomains", sub),
		drop("drop-subdomain", "Take a subdomain away; its files stay", "/subdomains", sub, ""),
		p.accountPart(n, "add-ftp-login", "Add an FTP login; its password is shown once", http.MethodPost, "/ftp-logins", wordField, dirField),
		p.accountPart(n, "set-ftp-login", "Change the directory of an FTP login, or its password", http.MethodPut, "/ftp-logins", wordField, dirField, passwordField),
		drop("drop-ftp-login", "Take an FTP login away; files stay", "/ftp-logins", wordField, ""),
		p.accountPart(n, "add-mailbox", "Add a mailbox; its password is shown once", http.MethodPost, "/mailboxes", addressField, quotaField),
		p.accountPart(n, "set-mailbox", "Change the quota of a mailbox, or its password", http.MethodPut, "/mailboxes", addressField, quotaField, passwordField),
		drop("drop-mailbox", "Delete a mailbox with its mail", "/mailboxes", addressField, "Delete this mailbox of account %s with all its mail?"),
		p.accountPart(n, "set-list", "Add a mailing list, or give one other members", http.MethodPut, "/lists", addressField,
			field{name: "members", kind: list, usage: "who gets the mail", required: true}, field{name: "owner", usage: "is told what could not be delivered"}),
		drop("drop-list", "Take a mailing list away", "/lists", addressField, ""),
		p.accountPart(n, "add-database", "Add a database; with the first one the password is shown once", http.MethodPost, "/databases", wordField),
		drop("drop-database", "Delete a database with all that is in it", "/databases", wordField, "Delete this database of account %s with all that is in it?"),
	}
}

func (p *program) accountCreate(n *noun) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use: "create", Aliases: []string{"add"}, Short: "Make an account; its password is shown once, now", Args: exactly(),
		Long:    "Shows the steps of the node until all of it is there. Ended before, it goes on without you: steelyard account watch.",
		Example: "  steelyard account create --domain example.de --offer Gold --customer acme --wait",
	}
	f := p.form(c, accountFields)
	demand(c, accountFields)
	addWatching(c, &w)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, accountFields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		r, err := p.withPassword(c, "made", func(api *client.Client) (client.Answer, error) { return api.Post(c.Context(), n.path(), body) })
		if err != nil || !w.wait {
			return err
		}
		return p.followAccount(c.Context(), r.text("id"), w)
	}
	return c
}

// withPassword does something whose answer may show a password once: user and password are printed alone on standard output.
func (p *program) withPassword(c *cobra.Command, verb string, do func(*client.Client) (client.Answer, error)) (record, error) {
	api, err := p.api()
	if err != nil {
		return nil, err
	}
	a, err := do(api)
	if err != nil {
		return nil, err
	}
	r, err := decode(a.Body)
	if err != nil {
		return nil, err
	}
	if p.json() {
		p.raw(p.out, a.Body)
		return r, nil
	}
	fmt.Fprintln(p.err, clean("account "+r.label()+" "+verb))
	if notice := r.text("notice"); notice != "" {
		fmt.Fprintln(p.err, clean(notice))
	}
	if r.text("password") != "" {
		fmt.Fprintln(p.err, "this is the password, shown this once:")
		if c.Name() == "create" {
			fmt.Fprint(p.out, r.text("user")+" ")
		}
		fmt.Fprintln(p.out, r.text("password"))
	}
	return r, nil
}

// accountPart makes or changes something in an account.
func (p *program) accountPart(n *noun, use, short, method, below string, fields ...field) *cobra.Command {
	c := &cobra.Command{Use: use + " ACCOUNT", Short: short, Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name)}
	f := p.form(c, fields)
	demand(c, fields)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		id, err := p.resolve(c.Context(), n.name, args[0])
		if err != nil {
			return err
		}
		_, err = p.withPassword(c, "has it", func(api *client.Client) (client.Answer, error) {
			path := n.path() + "/" + url.PathEscape(id) + below
			if method == http.MethodPut {
				return api.Put(c.Context(), path, body)
			}
			return api.Post(c.Context(), path, body)
		})
		return err
	}
	return c
}

// accountPassword sets a password, which is asked for twice, or lets one be made.
func (p *program) accountPassword(n *noun, use, below, short string) *cobra.Command {
	var file string
	var fresh bool
	c := &cobra.Command{Use: use + " ACCOUNT", Short: short, Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name)}
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	c.Flags().BoolVar(&fresh, "fresh", false, "let one be made, and show it once")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := p.resolve(c.Context(), n.name, args[0])
		if err != nil {
			return err
		}
		body := map[string]any{}
		if !fresh {
			password, err := p.password(file, "New password: ", true)
			if err != nil {
				return err
			}
			body["password"] = string(password)
		}
		_, err = p.withPassword(c, "has a new password", func(api *client.Client) (client.Answer, error) {
			return api.Put(c.Context(), n.path()+"/"+url.PathEscape(id)+below, body)
		})
		return err
	}
	return c
}

func (p *program) accountWatch(n *noun) *cobra.Command {
	w := watching{wait: true}
	c := &cobra.Command{
		Use: "watch ACCOUNT", Short: "Show how far its node is, until all of it is as it shall be", Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := p.resolve(c.Context(), n.name, args[0])
			if err != nil {
				return err
			}
			return p.followAccount(c.Context(), id, w)
		},
	}
	addWatching(c, &w)
	return c
}

// followAccount shows an account until its node has made the newest version true, or nothing of it is left. It fails when something is left of one that is
// removed; what a node could not make it tries again.
func (p *program) followAccount(ctx context.Context, id string, w watching) error {
	ctx, cancel := w.bound(ctx)
	defer cancel()
	return p.follow(ctx, "/v1/accounts/"+url.PathEscape(id), func(r record) (bool, error) {
		switch r.text("state") {
		case account.Gone:
			return true, nil
		case account.Stuck:
			return true, fault.Refused("account %s could not be removed whole; see: steelyard account show %s", r.text("domain"), r.text("id"))
		}
		return r.text("state") == account.There && r.text("progress.state") == account.Done, nil
	}, func(_ context.Context, _ *client.Client, r record) (list []stage) {
		for _, step := range r.list("progress.steps") {
			list = append(list, stage{name: step.text("part"), state: step.text("state"), note: step.text("message")})
		}
		return list
	})
}

func (p *program) accountRemoval(n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "removal ACCOUNT", Short: "List all that would go with it", Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			a, _, err := p.removal(c.Context(), n, args[0])
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return outline(p.out, a.Body, p.now())
		},
	}
}

func (p *program) removal(ctx context.Context, n *noun, name string) (a client.Answer, id string, err error) {
	if id, err = p.resolve(ctx, n.name, name); err != nil {
		return a, id, err
	}
	api, err := p.api()
	if err != nil {
		return a, id, err
	}
	a, err = api.Get(ctx, n.path()+"/"+url.PathEscape(id)+"/removal", nil)
	return a, id, err
}

// accountRemove removes an account, confirmed by its domain (rule C14).
func (p *program) accountRemove(n *noun) *cobra.Command {
	var w watching
	fields := []field{{name: "confirm", usage: "domain of the account", required: true}, reason(false)}
	c := &cobra.Command{
		Use: "remove ACCOUNT", Short: "Remove it with all that is in it", Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name),
		Long: "steelyard account removal lists all that goes. Give its domain with --confirm. What could not be removed is told, and can be tried again.",
	}
	f := p.form(c, fields)
	demand(c, fields)
	addWatching(c, &w)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		id, err := p.resolve(c.Context(), n.name, args[0])
		if err != nil {
			return err
		}
		err = p.act(c.Context(), n, "is being removed", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path()+"/"+url.PathEscape(id)+"/remove", body)
		})
		if err != nil || !w.wait {
			return err
		}
		return p.followAccount(c.Context(), id, w)
	}
	return c
}

func (p *program) forwardActions() []*cobra.Command {
	n := find("forward")
	return []*cobra.Command{
		p.deed(n, deed{use: "set-redirect", short: "Say whether it redirects, or shows the site under its own name", below: "/redirect", method: http.MethodPut, verb: "is changed", fields: []field{{name: "redirect", kind: yes, usage: "answer with 301", required: true}}}),
		p.deed(n, deed{use: "remove", short: "Take it away", below: "/remove", verb: "is being removed", fields: []field{reason(false)}, question: "Remove forward %s?"}),
	}
}
