package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// inspectionCommands are those about what is on a server that customers may have left there.
func (p *program) inspectionCommands() []*cobra.Command {
	return []*cobra.Command{p.inspectCommand(), p.inspectionCommand(), p.nodeCommand(), p.clearCommand(), p.provisionCommand()}
}

func (p *program) inspectCommand() *cobra.Command {
	w := watching{wait: true}
	c := p.serverPart("inspect", "Look at what customers may have left on its system", func(c *cobra.Command, path, _ string) error {
		r, err := p.inspected(c.Context(), path, w)
		if err != nil {
			return err
		}
		return p.printInspection(r)
	})
	c.Long = "Accounts and homes, sites of web servers, databases, mailboxes, jobs and what listens on the network; nothing is changed. Of a hosting\n" +
		"node it says what is left over: what was not there when the node was made."
	addWatching(c, &w)
	return c
}

// inspected inspects a server and gives what was found.
func (p *program) inspected(ctx context.Context, path string, w watching) (client.Answer, error) {
	api, err := p.api()
	if err != nil {
		return client.Answer{}, err
	}
	a, err := api.Post(ctx, path+"/operations", map[string]any{"kind": "inspect"})
	if err != nil {
		return a, err
	}
	r, err := decode(a.Body)
	if err != nil {
		return a, err
	}
	if err := p.watchOperation(ctx, r.text("id"), w); err != nil {
		return a, err
	}
	return api.Get(ctx, path+"/inspection", nil)
}

func (p *program) inspectionCommand() *cobra.Command {
	return p.serverPart("inspection", "What its last inspection found", func(c *cobra.Command, path, _ string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), path+"/inspection", nil)
		if err != nil {
			return err
		}
		return p.printInspection(a)
	})
}

// nodeCommand shows what is on a server before it becomes its own.
func (p *program) nodeCommand() *cobra.Command {
	var why string
	var sure bool
	w := watching{wait: true}
	c := p.serverPart("node", "Make it a hosting node, which carries customers' accounts", func(c *cobra.Command, path, name string) error {
		if why == "" {
			return usage(c, "give --reason: what the server is for")
		}
		a, err := p.inspected(c.Context(), path, w)
		if err != nil {
			return err
		}
		r, err := p.shownInspection(a)
		if err != nil {
			return err
		}
		if err := p.confirm(c, sure, fmt.Sprintf("Is all of this a part of %s itself, and no customer's? Of a hosting node only the rest counts as left over.", name)); err != nil {
			return err
		}
		return p.act(c.Context(), find("server"), "is a hosting node", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), path+"/node", map[string]any{"inspection": r.text("id"), "reason": why})
		})
	})
	c.Long = "It is inspected first, and what is there is shown: that is accepted as its own. A hosting node is not erased when its owner changes; it is free\n" +
		"again when an inspection finds nothing beyond. Given for a node it accepts what is there now."
	c.Flags().StringVar(&why, "reason", "", "why; kept in the audit log")
	addWatching(c, &w)
	addSure(c, &sure)
	return c
}

func (p *program) clearCommand() *cobra.Command {
	var why string
	var sure bool
	c := p.serverPart("clear-left-overs", "Say that what a former owner left is in nobody's way", func(c *cobra.Command, path, name string) error {
		if why == "" {
			return usage(c, "give --reason: why it may stay")
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), path+"/inspection", nil)
		if err != nil {
			return err
		}
		r, err := p.shownInspection(a)
		if err != nil {
			return err
		}
		if err := p.confirm(c, sure, fmt.Sprintf("May all of this stay on %s when somebody else gets it?", name)); err != nil {
			return err
		}
		return p.act(c.Context(), find("server"), "counts as clean", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), path+"/left-overs/clear", map[string]any{"inspection": r.text("id"), "reason": why})
		})
	})
	c.Flags().StringVar(&why, "reason", "", "why; kept in the audit log")
	addSure(c, &sure)
	return c
}

func (p *program) printInspection(a client.Answer) error {
	if p.json() {
		return p.rawUnless(nil, a)
	}
	_, err := p.shownInspection(a)
	return err
}

// shownInspection prints what was found where a person reads it, left-overs first.
func (p *program) shownInspection(a client.Answer) (record, error) {
	r, err := decode(a.Body)
	if err != nil || p.json() {
		return r, err
	}
	node := r.text("node") == "yes"
	var rows [][]string
	for _, left := range []bool{true, false} {
		for _, s := range r.list("subjects") {
			for _, f := range s.list("items") {
				if over := node && f.text("left_over") == "yes"; over == left {
					rows = append(rows, []string{map[bool]string{true: "left over", false: ""}[over], s.text("kind"), f.text("name"), f.text("owner"), f.text("detail")})
				}
			}
		}
	}
	if len(rows) > 0 {
		p.table([]string{"", "KIND", "NAME", "OWNER", "DETAIL"}, rows)
	}
	for _, s := range r.list("subjects") {
		if listed := len(s.list("items")); fmt.Sprint(listed) != s.text("count") {
			fmt.Fprintf(p.out, "Of kind %s, %s were found; %d are listed.\n", clean(s.text("kind")), clean(s.text("count")), listed)
		}
	}
	unseen, _ := r.at("unseen").([]any)
	for _, u := range unseen {
		fmt.Fprintf(p.out, "%s\n", clean(capital(fmt.Sprint(u))))
	}
	fmt.Fprintln(p.out, clean(verdictOf(r, node, len(unseen))))
	return r, nil
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// verdictOf says what an inspection means.
func verdictOf(r record, node bool, unseen int) string {
	switch {
	case !node:
		return "It is no hosting node: all its disks are erased before somebody else gets it."
	case r.text("clean") == "yes":
		return "Nothing is left over."
	case r.text("left_over") == "0":
		return fmt.Sprintf("Nothing that was seen is left over, but %d kinds of things could not be looked at.", unseen)
	}
	return r.text("left_over") + " left over. Remove it and inspect again, or clear it with a reason."
}
