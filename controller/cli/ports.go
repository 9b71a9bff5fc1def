package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// portsCommand is `steelyard server ports`.
func (p *program) portsCommand() *cobra.Command {
	c := &cobra.Command{Use: "ports", Short: "The switch ports it is plugged into", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(p.portsSet(), p.partShow("ports", "Show its switch ports, and how they were last seen"),
		p.partDelete("ports", "Say that it is plugged into no known port", "Take all switch ports off %s? Its service can then not be stopped.", "has no switch ports any more"))
	return c
}

func (p *program) portsSet() *cobra.Command {
	var ports []string
	c := p.serverPart("set", "Say which switch ports it is plugged into, all of them", func(c *cobra.Command, path, name string) error {
		if len(ports) == 0 {
			return usage(c, "%s also needs --port, once for each port", c.CommandPath())
		}
		list := make([]map[string]any, len(ports))
		for i, text := range ports {
			port, err := p.port(c.Context(), text)
			if err != nil {
				return err
			}
			list[i] = port
		}
		return p.told(name+": its switch ports are set", func(api *client.Client) (client.Answer, error) {
			return api.Put(c.Context(), path+"/ports", map[string]any{"ports": list})
		})
	})
	c.Long = "A port is SWITCH,BY=VALUE[,vlan=N]. BY is name, alias, index, mac (of the server, as the switch has learned it) or lldp.\n" +
		"The VLAN is that of the port in service; it is needed where the switch has a quarantine VLAN."
	c.Example = "  steelyard server ports set web1 --port rack7-a,name=Gi1/0/7,vlan=12 --port rack7-b,mac=02:00:5e:10:00:01,vlan=12"
	c.Flags().StringArrayVar(&ports, "port", nil, "one port; several with the flag again")
	return c
}

// port reads SWITCH,BY=VALUE[,vlan=N].
func (p *program) port(ctx context.Context, text string) (map[string]any, error) {
	name, rest, _ := strings.Cut(text, ",")
	vlan := 0
	if at := strings.LastIndex(rest, ",vlan="); at >= 0 {
		n, err := strconv.Atoi(rest[at+len(",vlan="):])
		if err != nil {
			return nil, asMisuse(fault.Invalid("the VLAN of %q is no number", text))
		}
		vlan, rest = n, rest[:at]
	}
	by, value, ok := strings.Cut(rest, "=")
	if !ok || name == "" {
		return nil, asMisuse(fault.Invalid("%q is not SWITCH,BY=VALUE[,vlan=N], for example rack7-a,name=Gi1/0/7,vlan=12", text))
	}
	id, err := p.resolve(ctx, "switch", name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"switch": id, "by": by, "value": value, "vlan": vlan}, nil
}
