package cli

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
)

// serviceMove is a wish about a service that an operation carries out.
type serviceMove struct {
	use, short, long, question string
	end, ended                 string // the act that takes it back, and what that is; "" none
	fields                     []field
}

var serviceMoves = []serviceMove{
	{use: "stop", short: "Shut its switch ports, then turn its server off", fields: []field{reason(false)}},
	{use: "resume", short: "Enable its switch ports and turn its server on", fields: []field{reason(false)}},
	{
		use: "rescue", short: "Start its server from memory and let the customer in by SSH",
		long: "To repair a system that does not start: root may log in at the service's own address with the SSH keys of the order, and with nothing else.\n" +
			"The disks are left alone. The message of the service tells the fingerprint of the host key. --end starts the server from its disk again.",
		fields: []field{reason(false)}, end: "end-rescue", ended: "start its server from its disk again",
	},
	{
		use: "delete", short: "Take its server back and erase it", fields: []field{reason(false)},
		long: "Enables the ports in quarantine, boots the RAM environment, removes addresses and owner, erases all disks, tests the hardware,\n" +
			"turns the server off and shuts its ports. Whatever runs on the server is stopped first.",
		question: "Delete service %s? Its server is taken back, and all its disks are erased.",
	},
	{
		use: "power", short: "Turn its server on or off",
		long:   "A server that its customer turned off stays off until it is turned on here, or resumed.",
		fields: []field{{name: "action", usage: "on, off (orderly), hard-off or cycle", required: true}, reason(false)},
	},
}

func (p *program) serviceActions() []*cobra.Command {
	var list []*cobra.Command
	for _, m := range serviceMoves {
		list = append(list, p.serviceCommand(m))
	}
	return list
}

func (p *program) serviceCommand(m serviceMove) *cobra.Command {
	var sure, end bool
	var w watching
	c := &cobra.Command{
		Use: m.use + " SERVICE", Short: m.short, Long: m.long,
		Args: exactly("the id of one service"), ValidArgsFunction: p.completeArg("service"),
	}
	f := p.form(c, m.fields)
	addWatching(c, &w)
	if m.question != "" {
		addSure(c, &sure)
	}
	if m.end != "" {
		c.Flags().BoolVar(&end, "end", false, m.ended)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, m.fields); err != nil {
			return err
		}
		if m.question != "" {
			if err := p.confirm(c, sure, fmt.Sprintf(m.question, args[0])); err != nil {
				return err
			}
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		act := m.use
		if end {
			act = m.end
		}
		return p.moveService(c.Context(), args[0], act, body, w)
	}
	return c
}

func (p *program) moveService(ctx context.Context, name, act string, body map[string]any, w watching) error {
	n := find("service")
	id, err := p.resolve(ctx, n.name, name)
	if err != nil {
		return err
	}
	var content any
	if len(body) > 0 {
		content = body
	}
	request := func(api *client.Client) (client.Answer, error) {
		return api.Post(ctx, n.path()+"/"+url.PathEscape(id)+"/"+act, content)
	}
	if !w.wait {
		return p.act(ctx, n, "is asked to "+act, request)
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := request(api)
	if err != nil {
		return err
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	if r.text("remote.wish") != "" {
		return p.followRemote(ctx, id, w)
	}
	if r.text("operation") == "" {
		fmt.Fprintf(p.out, "Service %s is %s already.\n", clean(name), clean(r.text("state")))
		return nil
	}
	return p.followOperation(ctx, r.text("operation"), w)
}

// followRemote shows a service at a remote module until what was asked of it is so, or was refused.
func (p *program) followRemote(ctx context.Context, id string, w watching) error {
	ctx, cancel := w.bound(ctx)
	defer cancel()
	return p.follow(ctx, "/v1/services/"+url.PathEscape(id), func(r record) (bool, error) {
		if why := r.text("remote.refused"); why != "" {
			return true, fault.Refused("%s", why)
		}
		if r.text("state") == order.ServiceNeedsAttention {
			return true, fault.Refused("service %s needs attention: %s", r.text("id"), r.text("message"))
		}
		return r.text("remote.wish") == "", nil
	}, func(context.Context, *client.Client, record) []stage { return nil })
}
