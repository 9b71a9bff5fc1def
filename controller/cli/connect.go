package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/settings"
	"github.com/steelyard/steelyard/pkg/version"
)

const defaultURL = "http://127.0.0.1:8080" // where `steelyard dev` listens

func (p *program) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&p.url, "url", "", "address of the controller ($STEELYARD_URL)")
	f.StringVar(&p.ca, "ca", "", "file with the authority of its certificate ($STEELYARD_CA)")
	f.StringVar(&p.tokenFile, "token-file", "", "file with your token, instead of $STEELYARD_TOKEN ($STEELYARD_TOKEN_FILE)")
	f.StringVar(&p.actFor, "act-for", "", "act for somebody else: reseller/NAME, customer/NAME or user/NAME ($STEELYARD_ACT_FOR)")
	f.StringVarP(&p.output, "output", "o", "table", "table for people, json for programs")
	_ = root.RegisterFlagCompletionFunc("output", fixed("table", "json")) // the flag exists
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if p.output != "table" && p.output != "json" {
			return usage(c, "--output is %q; give table or json", p.output)
		}
		return nil
	}
}

func (p *program) json() bool { return p.output == "json" }

func (p *program) variable(name string) string {
	value, _ := p.lookup(settings.Prefix + name)
	return value
}

// session is what `login` left.
type session struct {
	URL   string `json:"url"`
	CA    string `json:"ca,omitempty"`
	Token string `json:"token"`
	Name  string `json:"name"`
}

func (p *program) sessionFile() string { return filepath.Join(p.config, "steelyard", "session.json") }

// session is empty when nobody logged in.
func (p *program) session() (session, error) {
	var s session
	text, err := os.ReadFile(p.sessionFile())
	if p.config == "" || errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fault.Invalid("the login in %s cannot be read; log in again: %w", p.sessionFile(), err)
	}
	return s, nil
}

// address is a flag, else a variable, else that of the login, else that of dev.
func (p *program) address(s session) string {
	return first(p.url, p.variable("URL"), s.URL, defaultURL)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// token of a login goes only to the controller that gave it.
func (p *program) token(s session) (logging.Secret, error) {
	if file := first(p.tokenFile, p.variable("TOKEN_FILE")); file != "" {
		return settings.Secret(file)
	}
	if token := p.variable("TOKEN"); token != "" {
		return logging.Secret(token), nil
	}
	if p.address(s) != s.URL {
		return "", nil
	}
	return logging.Secret(s.Token), nil
}

// api makes the client once.
func (p *program) api() (*client.Client, error) {
	if p.client != nil {
		return p.client, nil
	}
	s, err := p.session()
	if err != nil {
		return nil, err
	}
	token, err := p.token(s)
	if err != nil {
		return nil, err
	}
	if p.actFor = first(p.actFor, p.variable("ACT_FOR")); p.actFor != "" {
		fmt.Fprintf(p.err, "acting for %s\n", clean(p.actFor))
	}
	p.client, err = p.newClient(s, token)
	return p.client, err
}

func (p *program) newClient(s session, token logging.Secret) (*client.Client, error) {
	ca := first(p.ca, p.variable("CA"))
	if ca == "" && p.address(s) == s.URL {
		ca = s.CA
	}
	return client.New(client.Options{URL: p.address(s), Token: token, CA: ca, UserAgent: "steelyard/" + version.Version, ActFor: p.actFor, Pause: p.pause})
}
