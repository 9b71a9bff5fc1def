package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// passwordCommand is for who cannot log in.
func (p *program) passwordCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "password", GroupID: setupGroup, Short: "A new password for somebody who forgot his", Args: cobra.ArbitraryArgs, RunE: group,
		Long: "A new password with a link that comes by mail. An administrator sets one with: steelyard user password.",
	}
	c.AddCommand(p.passwordForgot(), p.passwordReset())
	return c
}

// stranger is a client without a token: what it asks, everybody may ask.
func (p *program) stranger() (*client.Client, error) {
	s, err := p.session()
	if err != nil {
		s = session{} // of no use here
	}
	return p.newClient(s, "")
}

func (p *program) passwordForgot() *cobra.Command {
	var name string
	c := &cobra.Command{Use: "forgot", Short: "Ask for a letter with a link, which is good for an hour", Args: exactly()}
	c.Flags().StringVar(&name, "name", "", "your login name or e-mail address")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if name == "" {
			return usage(c, "say who you are: --name")
		}
		api, err := p.stranger()
		if err != nil {
			return err
		}
		defer api.Close()
		a, err := api.Post(c.Context(), "/v1/password/forgot", map[string]any{"name": name})
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		r, err := decode(a.Body)
		if err == nil {
			fmt.Fprintln(p.out, clean(r.text("detail")))
		}
		return err
	}
	return c
}

func (p *program) passwordReset() *cobra.Command {
	var token, file string
	c := &cobra.Command{
		Use: "reset", Short: "Set a new password with the code of the letter; both are asked for", Args: exactly(),
		Long: "Asks for the code (the whole link will do) and for the new password. All logins that are open end.",
	}
	c.Flags().StringVar(&token, "code-file", "", "file that holds the code")
	c.Flags().StringVar(&file, "password-file", "", "file that holds the new password")
	c.RunE = func(c *cobra.Command, _ []string) error {
		code, err := p.password(token, "Code of the letter: ", false)
		if err != nil {
			return err
		}
		password, err := p.password(file, "New password: ", true)
		if err != nil {
			return err
		}
		api, err := p.stranger()
		if err != nil {
			return err
		}
		defer api.Close()
		text := string(code)
		if _, behind, link := strings.Cut(text, "#"); link {
			text = behind
		}
		if _, err := api.Post(c.Context(), "/v1/password/reset", map[string]any{"token": strings.TrimSpace(text), "password": string(password)}); err != nil {
			return err
		}
		fmt.Fprintln(p.err, "the password is set; log in with: steelyard login")
		return nil
	}
	return c
}
