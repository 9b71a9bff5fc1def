package cli

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// secondFactorCommand is `steelyard user second-factor`: one's own, or that of a user who lost it.
func (p *program) secondFactorCommand(n *noun) *cobra.Command {
	c := &cobra.Command{
		Use: "second-factor", Aliases: []string{"2fa"}, Short: "Codes of an authenticator, asked for at login", Args: cobra.ArbitraryArgs, RunE: group,
		Long: "Codes of an authenticator (RFC 6238), asked for at login beside the password.",
	}
	show := &cobra.Command{Use: "show", Short: "Whether your logins need a code", Args: exactly(), RunE: func(c *cobra.Command, _ []string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), "/v1/second-factor", nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}}
	c.AddCommand(show, p.secondFactorEnrol(), p.secondFactorConfirm(), p.secondFactorRecovery(), p.secondFactorDisable(n))
	return c
}

func (p *program) secondFactorEnrol() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "enrol", Aliases: []string{"enroll"}, Short: "Begin with a second factor; your password is asked for, and the secret shown once", Args: exactly(),
		Long: "Shows the secret for your authenticator, once. It is in use after: steelyard user second-factor confirm.",
	}
	c.Flags().StringVar(&file, "password-file", "", "file that holds your password")
	c.RunE = func(c *cobra.Command, _ []string) error {
		password, err := p.password(file, "Your password: ", false)
		if err != nil {
			return err
		}
		a, r, err := p.factor(c, "/v1/second-factor", map[string]any{"password": string(password)})
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		fmt.Fprintln(p.err, "give this to your authenticator, then type its code: steelyard user second-factor confirm")
		fmt.Fprintln(p.out, r.text("uri"))
		fmt.Fprintln(p.out, r.text("secret"))
		return nil
	}
	return c
}

func (p *program) secondFactorConfirm() *cobra.Command {
	return &cobra.Command{
		Use: "confirm", Short: "Put it into use with its first code; recovery codes are shown once", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			code, err := p.password("", "Code: ", false)
			if err != nil {
				return err
			}
			a, r, err := p.factor(c, "/v1/second-factor/confirm", map[string]any{"code": string(code)})
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			p.recoveryCodes("logins ask for a code from now on; each of these gets you in once without your authenticator, keep them:", r)
			return nil
		},
	}
}

func (p *program) recoveryCodes(words string, r record) {
	fmt.Fprintln(p.err, words)
	codes, _ := r.at("recovery_codes").([]any)
	for _, one := range codes {
		fmt.Fprintln(p.out, clean(fmt.Sprint(one)))
	}
}

func (p *program) secondFactorRecovery() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "recovery-codes", Short: "Make new recovery codes, with password and code; the old ones end, the new ones are shown once", Args: exactly(),
	}
	c.Flags().StringVar(&file, "password-file", "", "file that holds your password")
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, r, err := p.proven(c, file, "/v1/second-factor/recovery-codes")
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		p.recoveryCodes("the old ones are void; each of these gets you in once without your authenticator, keep them:", r)
		return nil
	}
	return c
}

// proven posts password and code, which are asked for.
func (p *program) proven(c *cobra.Command, file, path string) (client.Answer, record, error) {
	password, err := p.password(file, "Your password: ", false)
	if err != nil {
		return client.Answer{}, record{}, err
	}
	code, err := p.password("", "Code, or a recovery code: ", false)
	if err != nil {
		return client.Answer{}, record{}, err
	}
	return p.factor(c, path, map[string]any{"password": string(password), "code": string(code)})
}

// factor posts what concerns one's own second factor.
func (p *program) factor(c *cobra.Command, path string, body map[string]any) (client.Answer, record, error) {
	api, err := p.api()
	if err != nil {
		return client.Answer{}, record{}, err
	}
	a, err := api.Post(c.Context(), path, body)
	if err != nil {
		return a, record{}, err
	}
	r, err := decode(a.Body)
	return a, r, err
}

func (p *program) secondFactorDisable(n *noun) *cobra.Command {
	var file, why string
	c := &cobra.Command{
		Use: "disable [USER]", Short: "End yours, with password and code; or, as an administrator, that of a user who lost it", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeArg("user"),
	}
	c.Flags().StringVar(&file, "password-file", "", "file that holds your password")
	c.Flags().StringVar(&why, "reason", "", "for another user: why")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			if why == "" {
				return usage(c, "say why: --reason")
			}
			id, err := p.resolve(c.Context(), "user", args[0])
			if err != nil {
				return err
			}
			return p.act(c.Context(), n, "logs in without a code now", func(api *client.Client) (client.Answer, error) {
				return api.Post(c.Context(), n.path()+"/"+url.PathEscape(id)+"/second-factor/disable", map[string]any{"reason": why})
			})
		}
		a, _, err := p.proven(c, file, "/v1/second-factor/disable")
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		fmt.Fprintln(p.err, "your logins ask for no code any more")
		return nil
	}
	return c
}
