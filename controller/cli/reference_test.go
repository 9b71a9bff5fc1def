package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "renew docs/cli.md")

const referenceFile = "../../docs/cli.md"

// docs/cli.md is written from the commands themselves.
func TestReferenceIsCurrent(t *testing.T) {
	p := &program{world: world{hooks: allHooks()}}
	root := p.root()
	var b strings.Builder
	b.WriteString("# The command `steelyard`\n\n```\n" + root.Long + "\n```\n\nEvery command has `-o json`, which prints what the API answered, and `--help`.\n" +
		"Objects are named by name or id. Shell completion: `steelyard completion bash --help`.\n\nWritten from the commands by `make golden`.\n")
	walk(root, func(c *cobra.Command) { reference(&b, c) })
	if *update {
		if err := os.WriteFile(referenceFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/cli.md is not what the commands say (%v); renew it: make golden", err)
	}
}

func reference(b *strings.Builder, c *cobra.Command) {
	switch {
	case c.Name() == "help" || c.Name() == "completion" || strings.HasPrefix(c.CommandPath(), "steelyard completion"):
		return
	case c.HasSubCommands() && c.Parent() != nil && c.Parent().Parent() == nil:
		fmt.Fprintf(b, "\n## %s\n\n%s.\n", c.Name(), c.Short)
		if c.Name() != "catalogue" {
			return
		}
	case !c.Runnable() || c.Parent() == nil:
		return
	}
	fmt.Fprintf(b, "\n### `%s`\n\n%s.\n\n", strings.TrimSuffix(c.UseLine(), " [flags]"), strings.TrimSuffix(c.Short, "."))
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			fmt.Fprintf(b, "- `--%s`: %s\n", f.Name, f.Usage)
		}
	})
}
