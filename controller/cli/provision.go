package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// provisionCommand tells what a hosting node can do for accounts.
func (p *program) provisionCommand() *cobra.Command {
	c := p.serverPart("provision", "What a hosting node can do for accounts, and what keeps it from doing more", func(c *cobra.Command, path, _ string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), path+"/provision", nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		r, err := decode(a.Body)
		if err != nil {
			return err
		}
		p.printProvision(r)
		return nil
	})
	c.Long = "Programs and file system that accounts need, as the node's agent finds them every few minutes. A line that begins with ! has a problem, and says what to do."
	return c
}

func (p *program) printProvision(r record) {
	for _, one := range r.list("components") {
		name := strings.TrimSpace(one.text("name") + " " + one.text("version"))
		if problem := one.text("problem"); problem != "" {
			fmt.Fprintln(p.out, clean(fmt.Sprintf("! %-6s %s: %s", one.text("part"), name, problem)))
			continue
		}
		fmt.Fprintln(p.out, clean(fmt.Sprintf("  %-6s %s", one.text("part"), name)))
	}
	can, cannot := able(r)
	fmt.Fprintln(p.out, "can:", clean(can))
	fmt.Fprintln(p.out, "cannot:", clean(cannot))
	fmt.Fprintln(p.out, "shells:", clean(r.text("shells")))
	if strangers := r.text("strangers"); strangers != "" {
		fmt.Fprintln(p.out, "! accounts that nobody here knows, left alone:", clean(strangers))
	}
}

// able are the names of what a node can do, and of what it cannot.
func able(r record) (can, cannot string) {
	var yes, no []string
	switches, _ := r.at("switches").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(switches)) {
		if switches[name] == true {
			yes = append(yes, name)
		} else {
			no = append(no, name)
		}
	}
	return strings.Join(yes, ", "), cmp.Or(strings.Join(no, ", "), "-")
}
