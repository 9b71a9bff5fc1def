package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// deed is an action on one object: a request to a path below it.
type deed struct {
	use, short, long string
	method, below    string
	verb             string // what is told when it is done: "approved"
	fields           []field
	fixed            map[string]any // part of the body
	question         string         // asked before it is done; %s is the object
}

// deed makes the command of an action.
func (p *program) deed(n *noun, d deed) *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use: d.use + " " + strings.ToUpper(n.name), Short: d.short, Long: d.long,
		Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
	}
	f := p.form(c, d.fields)
	demand(c, d.fields)
	if d.question != "" {
		addSure(c, &sure)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := missing(c, d.fields); err != nil {
			return err
		}
		if d.question != "" {
			if err := p.confirm(c, sure, strings.ReplaceAll(d.question, "%s", args[0])); err != nil {
				return err
			}
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		for name, value := range d.fixed {
			body[name] = value
		}
		return p.runDeed(c, n, d, args[0], body)
	}
	return c
}

func (p *program) runDeed(c *cobra.Command, n *noun, d deed, name string, body map[string]any) error {
	id, err := p.resolve(c.Context(), n.name, name)
	if err != nil {
		return err
	}
	path := n.path() + "/" + url.PathEscape(id) + d.below
	var content any
	if len(body) > 0 {
		content = body
	}
	return p.act(c.Context(), n, d.verb, func(api *client.Client) (client.Answer, error) {
		switch d.method {
		case http.MethodPut:
			return api.Put(c.Context(), path, content)
		case http.MethodDelete:
			return api.Delete(c.Context(), path, "", queryOf(body))
		default:
			return api.Post(c.Context(), path, content)
		}
	})
}

func reason(required bool) field {
	return field{name: "reason", usage: "why; kept in the audit log", required: required}
}

// queryOf is for deletions, which have no body.
func queryOf(body map[string]any) url.Values {
	query := url.Values{}
	for name, value := range body {
		query.Set(name, fmt.Sprint(value))
	}
	return query
}
