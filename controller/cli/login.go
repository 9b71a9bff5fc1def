package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

func (p *program) loginCommand() *cobra.Command {
	var name, file string
	var browser bool
	c := &cobra.Command{
		Use: "login", GroupID: setupGroup, Short: "Log in with name and password, for the commands that follow", Args: exactly(),
		Long: `Asks for your password and keeps the session in a file that only you can read.
The password and the session are not shown. STEELYARD_TOKEN, where it is set, is used instead.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if browser {
				return p.loginByProvider(c.Context())
			}
			if name == "" {
				return usage(c, "say who you are: --name, or --oidc to log in through the provider")
			}
			password, err := p.password(file, "Password: ", false)
			if err != nil {
				return err
			}
			return p.login(c, name, password)
		},
	}
	c.Flags().StringVar(&name, "name", "", "your login name or e-mail address")
	c.Flags().BoolVar(&browser, "oidc", false, "log in through the provider, in a browser on this machine")
	c.MarkFlagsMutuallyExclusive("name", "oidc")
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	return c
}

func (p *program) login(c *cobra.Command, name string, password logging.Secret) error {
	old, err := p.session()
	if err != nil {
		old = session{} // unreadable: replaced below
	}
	api, err := p.newClient(old, "")
	if err != nil {
		return err
	}
	defer api.Close()
	a, err := p.openSession(c, api, map[string]any{"name": name, "password": string(password)})
	if err != nil {
		return err
	}
	return p.keepLogin(api, a)
}

// openSession asks for the code of a second factor when the controller does.
func (p *program) openSession(c *cobra.Command, api *client.Client, body map[string]any) (client.Answer, error) {
	a, err := api.Post(c.Context(), "/v1/login", body)
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Kind() != "second_factor_required" {
		return a, err
	}
	code, err := p.password("", "Code of your authenticator, or a recovery code: ", false)
	if err != nil {
		return a, err
	}
	body["code"] = string(code)
	return api.Post(c.Context(), "/v1/login", body)
}

// keepLogin keeps the session of an answer for the commands that follow.
func (p *program) keepLogin(api *client.Client, a client.Answer) error {
	answer, err := client.Object[struct {
		Token, Secret string
		User          struct{ Name string }
	}](a)
	if err != nil {
		return err
	}
	ca := first(p.ca, p.variable("CA"))
	if ca != "" {
		if ca, err = filepath.Abs(ca); err != nil {
			return fmt.Errorf("find the authority's file: %w", err)
		}
	}
	token := first(answer.Token, answer.Secret)
	if token == "" {
		return fault.Internal("the controller gave no session")
	}
	if err := p.keep(session{URL: api.Address(), CA: ca, Token: token, Name: answer.User.Name}); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "logged in to %s as %s\n", clean(api.Address()), clean(answer.User.Name))
	return nil
}

// keep writes the session for its owner alone, whole or not at all.
func (p *program) keep(s session) error {
	if p.config == "" {
		return fault.Refused("there is no home directory to keep the session in; set HOME, or use STEELYARD_TOKEN")
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the session: %w", err)
	}
	dir := filepath.Dir(p.sessionFile())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	f, err := os.CreateTemp(dir, ".session-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	w := bufio.NewWriter(f)
	_, err = w.Write(text)
	if err := errors.Join(err, w.Flush(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	if err := os.Rename(f.Name(), p.sessionFile()); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	return nil
}

func (p *program) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", GroupID: setupGroup, Short: "End the session of login", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if s.Token == "" {
				fmt.Fprintln(p.err, "nobody is logged in")
				return nil
			}
			api, err := client.New(client.Options{URL: s.URL, CA: s.CA, Token: logging.Secret(s.Token)})
			if err != nil {
				return err
			}
			defer api.Close()
			_, err = api.Post(c.Context(), "/v1/logout", nil)
			if err != nil && !fault.Is(err, fault.KindDenied) { // denied: it has ended already
				return err
			}
			if err := os.Remove(p.sessionFile()); err != nil {
				return fmt.Errorf("forget the session: %w", err)
			}
			fmt.Fprintf(p.err, "logged out from %s\n", clean(strings.TrimSpace(s.URL)))
			return nil
		},
	}
}

func (p *program) aboutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "about", GroupID: setupGroup, Short: "Which fleet the controller is of, and its generation", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), "/v1/about", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return outline(p.out, a.Body, p.now())
		},
	}
}

func (p *program) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", GroupID: setupGroup, Short: "Who the controller takes you for", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), "/v1/whoami", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return outline(p.out, a.Body, p.now())
		},
	}
}
