package cli

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// form collects the fields that were given as flags.
type form struct {
	p      *program
	fields []field
	values map[string]any // field to the variable of its flag
	wish   *wishFlags
}

func (p *program) form(c *cobra.Command, fields []field) *form {
	f := &form{p: p, fields: fields, values: map[string]any{}}
	flags := c.Flags()
	for _, fd := range fields {
		f.add(flags, fd)
		if fd.kind == ref || fd.kind == refs {
			_ = c.RegisterFlagCompletionFunc(dashed(fd.name), p.completeNoun(fd.of)) // the flag exists
		}
	}
	return f
}

func (f *form) add(flags *pflag.FlagSet, fd field) {
	name := dashed(fd.name)
	switch fd.kind {
	case whole:
		f.values[fd.name] = flags.Int(name, 0, fd.usage)
	case yes:
		f.values[fd.name] = flags.Bool(name, false, fd.usage)
	case list, refs:
		f.values[fd.name] = flags.StringSlice(name, nil, fd.usage+"; several separated by commas")
	case points:
		f.values[fd.name] = flags.StringToInt(name, nil, fd.usage)
	case limits, values:
		f.values[fd.name] = flags.StringToString(name, nil, fd.usage)
	case parts:
		f.wish = addWish(flags)
	case content:
		f.values[fd.name] = flags.String(fd.flag(), "", fd.usage+"; a file")
	case secret:
		f.values[fd.name] = flags.String(fd.flag(), "", fd.usage+"; a file that holds it, - asks, or reads a line of standard input")
	default:
		f.values[fd.name] = flags.String(name, "", fd.usage)
	}
}

// body holds the fields that were given, names turned into ids.
func (f *form) body(ctx context.Context, flags *pflag.FlagSet) (map[string]any, error) {
	body := map[string]any{}
	for _, fd := range f.fields {
		if fd.kind == parts {
			if err := f.addConfiguration(flags, body, fd.name); err != nil {
				return nil, err
			}
			continue
		}
		if !flags.Changed(fd.flag()) {
			continue
		}
		value, err := f.value(ctx, fd)
		if err != nil {
			return nil, err
		}
		body[fd.name] = value
	}
	return body, nil
}

// flag is the name of the flag that sets the field.
func (fd *field) flag() string {
	if fd.kind == content || fd.kind == secret {
		return dashed(fd.name) + "-file"
	}
	return dashed(fd.name)
}

// fileText is a file's content; no name is no text.
func fileText(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fault.Invalid("read a file: %w", err)
	}
	return string(text), nil
}

func (f *form) addConfiguration(flags *pflag.FlagSet, body map[string]any, name string) error {
	if !f.wish.given(flags) {
		return nil
	}
	c, err := f.wish.configuration()
	body[name] = c
	return err
}

func (f *form) value(ctx context.Context, fd field) (any, error) {
	switch v := f.values[fd.name].(type) {
	case *string:
		switch fd.kind {
		case when:
			return f.p.moment("--"+dashed(fd.name), *v)
		case content:
			return fileText(*v)
		case secret:
			return f.p.readSecret(bufio.NewReader(f.p.in), &secretAsk{field: fd.name, prompt: "Password: ", file: *v})
		}
		if fd.kind == ref && *v != "" {
			return f.p.resolve(ctx, fd.of, *v)
		}
		return *v, nil
	case *[]string:
		ids := make([]string, len(*v))
		for i, name := range *v {
			ids[i] = name
			if fd.kind == refs {
				id, err := f.p.resolve(ctx, fd.of, name)
				if err != nil {
					return nil, err
				}
				ids[i] = id
			}
		}
		return ids, nil
	case *map[string]string:
		if fd.kind == values {
			return valuesOf(*v), nil
		}
		return limitsOf(dashed(fd.name), *v)
	case *int:
		return *v, nil
	case *bool:
		return *v, nil
	case *map[string]int:
		return *v, nil
	}
	panic("cli: a field of unknown kind: " + fd.name) // add and value list the same kinds
}

// missing names the required flags that were not given, all at once.
func missing(c *cobra.Command, fields []field) error {
	var names []string
	for _, fd := range fields {
		if fd.required && !c.Flags().Changed(dashed(fd.name)) {
			names = append(names, "--"+dashed(fd.name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return usage(c, "%s also needs %s", c.CommandPath(), strings.Join(names, ", "))
}

// demand says in the help which flags must be given.
func demand(c *cobra.Command, fields []field) {
	for _, fd := range fields {
		if flag := c.Flags().Lookup(dashed(fd.name)); fd.required && flag != nil {
			flag.Usage += " (required)"
		}
	}
}

func (p *program) createCommand(n *noun) *cobra.Command {
	c := &cobra.Command{Use: "create", Aliases: []string{"add"}, Short: "Create one", Args: exactly()}
	f := p.form(c, n.fields)
	demand(c, n.fields)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := missing(c, n.fields); err != nil {
			return err
		}
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		return p.act(c.Context(), n, "created", func(api *client.Client) (client.Answer, error) {
			return api.Post(c.Context(), n.path(), body)
		})
	}
	return c
}

func (p *program) editCommand(n *noun) *cobra.Command {
	c := &cobra.Command{
		Use: "edit " + strings.ToUpper(n.name), Short: "Change the fields that are given",
		Long: "Changes the fields that are given, and only if nobody else changes the object at the same time.",
		Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
	}
	var fields []field
	for _, fd := range n.fields {
		if !fd.once {
			fields = append(fields, fd)
		}
	}
	f := p.form(c, fields)
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usage(c, "say what to change; %s --help lists the fields", c.CommandPath())
		}
		return p.patch(c.Context(), n, args[0], body)
	}
	return c
}

// patch changes an object at the revision that was read just before.
func (p *program) patch(ctx context.Context, n *noun, name string, body map[string]any) error {
	before, err := p.fetch(ctx, n, name)
	if err != nil {
		return err
	}
	r, err := decode(before.Body)
	if err != nil {
		return err
	}
	return p.act(ctx, n, "changed", func(api *client.Client) (client.Answer, error) {
		return api.Patch(ctx, n.path()+"/"+url.PathEscape(r.text("id")), before.ETag(), body)
	})
}

func (p *program) deleteCommand(n *noun) *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use: "delete " + strings.ToUpper(n.name), Aliases: []string{"rm"}, Short: "Delete one that nothing uses",
		Args: exactly("the name or id of one " + n.name), ValidArgsFunction: p.completeArg(n.name),
		RunE: func(c *cobra.Command, args []string) error {
			before, err := p.fetch(c.Context(), n, args[0])
			if err != nil {
				return err
			}
			r, err := decode(before.Body)
			if err != nil {
				return err
			}
			if err := p.confirm(c, sure, fmt.Sprintf("Delete %s %s?", n.name, r.label())); err != nil {
				return err
			}
			return p.act(c.Context(), n, r.label()+" deleted", func(api *client.Client) (client.Answer, error) {
				return api.Delete(c.Context(), n.path()+"/"+url.PathEscape(r.text("id")), before.ETag(), nil)
			})
		},
	}
	addSure(c, &sure)
	return c
}

// act does something to one object and tells that it is done: the answer with
// -o json, else one sentence.
func (p *program) act(ctx context.Context, n *noun, verb string, do func(*client.Client) (client.Answer, error)) error {
	_, err := p.did(ctx, n, verb, do)
	return err
}

// did is act for those who need the answer.
func (p *program) did(_ context.Context, n *noun, verb string, do func(*client.Client) (client.Answer, error)) (client.Answer, error) {
	api, err := p.api()
	if err != nil {
		return client.Answer{}, err
	}
	a, err := do(api)
	if err != nil {
		return a, err
	}
	if p.json() {
		if len(a.Body) > 0 {
			p.raw(p.out, a.Body)
		}
		return a, nil
	}
	label := ""
	if r, err := decode(a.Body); err == nil {
		label = " " + r.label()
	}
	fmt.Fprintln(p.out, clean(n.name+label+" "+verb))
	return a, nil
}

// label is what a person calls an object: name and id.
func (r record) label() string {
	name, id := first(r.text("name"), r.text("hostname")), r.text("id")
	switch {
	case name == "" || name == id:
		return id
	case id == "":
		return name
	default:
		return name + " (" + id + ")"
	}
}
