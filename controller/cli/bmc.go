package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

var bmcFields = []field{
	{name: "driver", usage: "ipmi, redfish, wol, agent or manual"},
	{name: "address", usage: "ipmi: host[:port]; redfish: https://host[:port]; wol: broadcast address"},
	{name: "system", usage: "redfish: id of the system, where the service has several"},
	{name: "username", usage: "ipmi, redfish"},
	{name: "mac", usage: "wol: of the port that wakes the server"},
	{name: "allow_weak", kind: yes, usage: "ipmi: accept weak cipher suites, at your own risk"},
	{name: "simulator", usage: "what plays the machine, when it is not real"},
}

// bmcCommand is `steelyard server bmc`.
func (p *program) bmcCommand() *cobra.Command {
	c := &cobra.Command{Use: "bmc", Short: "How its power is switched", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(p.partShow("bmc", "Show how its power is switched"), p.bmcSet(), p.bmcPassword(), p.bmcPin(),
		p.partDelete("bmc", "Forget its management controller", "Forget the management controller of %s? Its agent then switches it off, a person on.", "has no management controller any more"))
	return c
}

// serverPart is a command on a part of one server.
func (p *program) serverPart(use, short string, run func(c *cobra.Command, path, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " SERVER", Short: short, Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := p.resolve(c.Context(), "server", args[0])
			if err != nil {
				return err
			}
			return run(c, "/v1/servers/"+url.PathEscape(id), args[0])
		},
	}
}

func (p *program) partShow(part, short string) *cobra.Command {
	return p.serverPart("show", short, func(c *cobra.Command, path, _ string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), path+"/"+part, nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now(), "rev")
	})
}

func (p *program) partDelete(part, short, question, verb string) *cobra.Command {
	var sure bool
	c := p.serverPart("delete", short, func(c *cobra.Command, path, name string) error {
		if err := p.confirm(c, sure, fmt.Sprintf(question, name)); err != nil {
			return err
		}
		return p.told(name+" "+verb, func(api *client.Client) (client.Answer, error) {
			return api.Delete(c.Context(), path+"/"+part, "", nil)
		})
	})
	addSure(c, &sure)
	return c
}

// told does something to a server and says so in one sentence.
func (p *program) told(sentence string, do func(*client.Client) (client.Answer, error)) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := do(api)
	switch {
	case err != nil:
		return err
	case p.json() && len(a.Body) > 0:
		p.raw(p.out, a.Body)
	case !p.json():
		fmt.Fprintln(p.out, clean("server "+sentence))
	}
	return nil
}

// bmcKept are the fields of a management controller that a change leaves as they are.
func (p *program) bmcKept(ctx context.Context, path string) (body map[string]any, err error) {
	api, err := p.api()
	if err != nil {
		return nil, err
	}
	a, err := api.Get(ctx, path+"/bmc", nil)
	if fault.Is(err, fault.KindNotFound) {
		return map[string]any{}, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := decode(a.Body)
	if err != nil {
		return nil, err
	}
	body = map[string]any{}
	for _, f := range bmcFields {
		if v := r.at(f.name); v != nil {
			body[f.name] = v
		}
	}
	if v := r.at("simulated"); v != nil {
		body["simulator"] = v
	}
	return body, nil
}

func (p *program) bmcSet() *cobra.Command {
	var file string
	var f *form
	c := p.serverPart("set", "Say how its power is switched; a password is asked for when it is needed", func(c *cobra.Command, path, name string) error {
		given, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if len(given) == 0 && file == "" {
			return usage(c, "say what to change; %s --help lists the fields", c.CommandPath())
		}
		before, err := p.bmcKept(c.Context(), path)
		if err != nil {
			return err
		}
		body := merged(before, given)
		if file != "" || asksPassword(before, body) {
			password, err := p.password(file, "Password of the management controller: ", true)
			if err != nil {
				return err
			}
			body["password"] = string(password)
		}
		return p.told(fmt.Sprintf("%s: power is switched by %v", name, body["driver"]), func(api *client.Client) (client.Answer, error) {
			return api.Put(c.Context(), path+"/bmc", body)
		})
	})
	c.Long = "Changes the fields that are given. Another driver begins anew. A password is asked for when driver, address or user name change:\n" +
		"a stored one is not sent elsewhere. It is read from --password-file, the terminal, or the first line of standard input."
	c.Example = "  steelyard server bmc set web1 --driver redfish --address https://10.9.0.7 --username steelyard"
	f = p.form(c, bmcFields)
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	return c
}

// merged is what was there with what is given; another driver needs other fields.
func merged(before, given map[string]any) map[string]any {
	body := map[string]any{}
	if driver, ok := given["driver"]; !ok || driver == before["driver"] {
		for name, value := range before {
			body[name] = value
		}
	}
	for name, value := range given {
		body[name] = value
	}
	return body
}

// asksPassword reports whether the password that is stored will not do.
func asksPassword(before, after map[string]any) bool {
	if after["driver"] != "ipmi" && after["driver"] != "redfish" {
		return false
	}
	return slices.ContainsFunc([]string{"driver", "address", "username"}, func(name string) bool { return before[name] != after[name] })
}

func (p *program) bmcPassword() *cobra.Command {
	var file string
	c := p.serverPart("password", "Give the new password of its management controller; it is asked for", func(c *cobra.Command, path, name string) error {
		body, err := p.bmcKept(c.Context(), path)
		if err != nil {
			return err
		}
		password, err := p.password(file, "Password of the management controller: ", true)
		if err != nil {
			return err
		}
		body["password"] = string(password)
		return p.told(name+": the new password is kept", func(api *client.Client) (client.Answer, error) { return api.Put(c.Context(), path+"/bmc", body) })
	})
	c.Flags().StringVar(&file, "password-file", "", "file that holds the password")
	return c
}

func (p *program) bmcPin() *cobra.Command {
	fields := []field{{name: "sha256", usage: "of the certificate, as the machine itself tells it", required: true}}
	var f *form
	c := p.serverPart("approve-pin", "Accept the certificate that its management controller showed", func(c *cobra.Command, path, name string) error {
		if err := missing(c, fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		return p.told(name+": the certificate is accepted", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), path+"/bmc/pin", body)
		})
	})
	c.Long = "Only the certificate that was seen is accepted; `steelyard server bmc show` tells it. Compare it with what the machine itself says."
	f = p.form(c, fields)
	demand(c, fields)
	return c
}
