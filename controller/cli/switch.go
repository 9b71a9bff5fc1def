package cli

import (
	"bufio"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/settings"
)

var switchFields = []field{
	{name: "name", usage: "shown to people", required: true},
	{name: "location", kind: ref, of: "location", usage: "whose servers are plugged into it", required: true},
	{name: "driver", usage: "snmp, or manual: a person switches ports, asked by a task", required: true},
	{name: "address", usage: "snmp: host[:port]"},
	{name: "version", usage: "snmp: 2c or 3"},
	{name: "username", usage: "snmp 3"},
	{name: "auth", usage: "snmp 3: SHA, SHA-256 or SHA-512"},
	{name: "priv", usage: "snmp 3: AES or AES-256"},
	{name: "quarantine_vlan", kind: whole, usage: "for ports of servers that are being deleted; 0 is none"},
	{name: "simulator", usage: "what plays the switch, when it is not real"},
}

// secretAsk is a secret that is read, never given as an argument (rule X9).
type secretAsk struct{ field, prompt, version, file string }

func switchSecrets() []*secretAsk {
	return []*secretAsk{
		{field: "community", prompt: "Community with the right to write: ", version: "2c"},
		{field: "auth_password", prompt: "Authentication password: ", version: "3"},
		{field: "priv_password", prompt: "Privacy password: ", version: "3"},
	}
}

func (p *program) switchActions() []*cobra.Command {
	n := find("switch")
	return []*cobra.Command{p.switchCreate(n), p.switchEdit(n)}
}

func addSecretFiles(c *cobra.Command, asks []*secretAsk) {
	for _, a := range asks {
		c.Flags().StringVar(&a.file, dashed(a.field)+"-file", "", "snmp "+a.version+": file that holds it; - asks, or reads a line of standard input")
	}
}

// readSecrets puts the secrets that are wanted into a request.
func (p *program) readSecrets(body map[string]any, asks []*secretAsk, wanted func(*secretAsk) bool) error {
	lines := bufio.NewReader(io.LimitReader(p.in, 16<<10))
	for _, a := range asks {
		if !wanted(a) {
			continue
		}
		text, err := p.readSecret(lines, a)
		if err != nil {
			return err
		}
		body[a.field] = text
	}
	return nil
}

func (p *program) readSecret(lines *bufio.Reader, a *secretAsk) (string, error) {
	if a.file != "" && a.file != "-" {
		s, err := settings.Secret(a.file)
		return string(s), err
	}
	if p.interactive() {
		s, err := p.secretLine(a.prompt)
		return string(s), err
	}
	line, err := lines.ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fault.Invalid("there is no %s: give --%s-file, or write it into standard input, one line for each secret: %w",
			strings.ReplaceAll(a.field, "_", " "), dashed(a.field), noInput(err))
	}
	return line, nil
}

func (p *program) switchCreate(n *noun) *cobra.Command {
	asks := switchSecrets()
	c := &cobra.Command{
		Use: "create", Aliases: []string{"add"}, Short: "Create one; its secrets are asked for", Args: exactly(),
		Example: "  steelyard switch create --name rack7-a --location fra --driver snmp --address 10.9.0.2 --version 3 --username steelyard --auth SHA-256 --priv AES --quarantine-vlan 999",
	}
	f := p.form(c, n.fields)
	demand(c, n.fields)
	addSecretFiles(c, asks)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, n.fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if err := p.readSecrets(body, asks, func(a *secretAsk) bool { return a.file != "" || body["version"] == a.version }); err != nil {
			return err
		}
		return p.act(c.Context(), n, "created", func(api *client.Client) (client.Answer, error) { return api.Post(c.Context(), n.path(), body) })
	}
	return c
}

func (p *program) switchEdit(n *noun) *cobra.Command {
	asks := switchSecrets()
	c := &cobra.Command{
		Use: "edit SWITCH", Short: "Change the fields that are given",
		Long: "Changes the fields that are given. Secrets stay unless their file is given; they are needed again when driver, address,\n" +
			"version or user name change: a stored one is not sent elsewhere.",
		Args: exactly("the name or id of one switch"), ValidArgsFunction: p.completeArg(n.name),
	}
	f := p.form(c, n.fields)
	addSecretFiles(c, asks)
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if err := p.readSecrets(body, asks, func(a *secretAsk) bool { return a.file != "" }); err != nil {
			return err
		}
		if len(body) == 0 {
			return usage(c, "say what to change; %s --help lists the fields", c.CommandPath())
		}
		return p.patch(c.Context(), n, args[0], body)
	}
	return c
}
