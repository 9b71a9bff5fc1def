// Command rules lists every rule of the house with the tests that name it:
//
//	RULE<tab>number of tests<tab>names, separated by commas
//
// A rule without a test is listed with 0, so that what is missing can be seen. The
// list of rules is rules.txt; where the longer description (shared/BEHAVIOUR.md)
// lies beside the project, rules that only it knows are listed too.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	root := flag.String("root", ".", "directory of the project")
	flag.Parse()
	if err := run(*root, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run(root string, out, summary io.Writer) error {
	ids := known()
	if text, err := os.ReadFile(filepath.Join(root, "..", "shared", "BEHAVIOUR.md")); err == nil {
		ids = withMentioned(ids, string(text))
	}
	tests, err := testNames(root)
	if err != nil {
		return err
	}
	return print(ids, byRule(tests), out, summary)
}

func print(ids []string, named map[string][]string, out, summary io.Writer) error {
	w := bufio.NewWriter(out)
	covered := 0
	for _, id := range ids {
		if len(named[id]) > 0 {
			covered++
		}
		fmt.Fprintf(w, "%s\t%d\t%s\n", id, len(named[id]), strings.Join(named[id], ","))
	}
	for _, name := range unknown(ids, named) {
		fmt.Fprintf(summary, "%s\n", name)
	}
	fmt.Fprintf(summary, "%d of %d rules are named by a test\n", covered, len(ids))
	return w.Flush()
}
