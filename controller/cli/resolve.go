package cli

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

// made matches the ids that Steelyard gives, whatever their prefix.
var made = regexp.MustCompile(`^[a-z]{2,4}-[0-9a-hjkmnp-tv-z]{16}$`)

// resolve turns what a person calls an object into its id. An id stays as it is.
func (p *program) resolve(ctx context.Context, of, name string) (string, error) {
	switch {
	case of == "sale" && (!made.MatchString(name) || strings.HasPrefix(name, "srv-")): // it is called by its server
		return p.saleOf(ctx, name)
	case made.MatchString(name) || of == "audit" || of == "address" || of == "department": // a department has no other name
		return name, nil
	}
	api, err := p.api()
	if err != nil {
		return "", err
	}
	if of == "remote" { // it is called by its module
		of = "module"
	}
	n := find(of)
	ids, err := api.Find(ctx, n.path(), name)
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", fault.NotFound("there is no %s %q; see: steelyard %s list", of, name, of)
	case len(ids) > 1:
		return "", fault.Refused("several %s are called %q; give one of the ids %s", n.plural, name, strings.Join(ids, ", "))
	}
	return ids[0], nil
}

// nameOf is the name of an object for a table. Names are read once a command; what
// cannot be read is told by its id.
func (p *program) nameOf(ctx context.Context, of, id string) string {
	if id == "" {
		return ""
	}
	if of == "reseller" { // whose something is, is told by his path
		id = reselling.Own(id)
	}
	if p.names == nil {
		p.names = map[string]map[string]string{}
	}
	if p.names[of] == nil {
		p.names[of] = p.readNames(ctx, of)
	}
	return first(p.names[of][id], id)
}

func (p *program) readNames(ctx context.Context, of string) map[string]string {
	names := map[string]string{}
	api, err := p.api()
	if err != nil {
		return names
	}
	a, err := api.Get(ctx, find(of).path(), url.Values{"limit": {"1000"}})
	if err != nil {
		return names // a role that may not see them: ids serve
	}
	page, err := client.Object[client.Page](a)
	if err != nil {
		return names
	}
	for _, item := range page.Items {
		if r, err := decode(item); err == nil {
			names[r.text("id")] = r.text("name")
		}
	}
	return names
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

func fixed(values ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeArg is completeNoun for the first argument only.
func (p *program) completeArg(of string) completion {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.completeNoun(of)(c, args, typed)
	}
}

// completeNoun offers names and ids of one collection, asked from the controller;
// without one it offers nothing.
func (p *program) completeNoun(of string) completion {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		page, err := p.candidates(c.Context(), of, typed)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offers(page, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// candidates are the objects that contain what was typed; a shell does not wait long.
func (p *program) candidates(ctx context.Context, of, typed string) (client.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	api, err := p.api()
	if err != nil {
		return client.Page{}, err
	}
	query := url.Values{"limit": {"100"}}
	if typed != "" {
		query.Set("q", typed)
	}
	a, err := api.Get(ctx, find(of).path(), query)
	if err != nil {
		return client.Page{}, err
	}
	return client.Object[client.Page](a)
}

func offers(page client.Page, typed string) []string {
	var out []string
	for _, item := range page.Items {
		r, err := decode(item)
		if err != nil {
			continue
		}
		id, name := r.text("id"), first(r.text("name"), r.text("hostname"), r.text("subject"), r.text("message"))
		word, note := id, name
		if !strings.HasPrefix(id, typed) || typed == "" && name != "" && !strings.ContainsAny(name, " \t") {
			word, note = name, id
		}
		if strings.HasPrefix(strings.ToLower(word), strings.ToLower(typed)) && word != "" {
			out = append(out, clean(word)+"\t"+clean(note))
		}
	}
	slices.Sort(out)
	return out
}
