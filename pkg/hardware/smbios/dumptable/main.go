// Dumptable reads firmware dumps (a directory, an archive or files) through the
// mapping that the agent uses, and prints what the mapping did not understand,
// most frequent first:
//
//	go run ./pkg/hardware/smbios/dumptable ARCHIVE.tar.bz2
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/steelyard/steelyard/pkg/hardware/smbios"
	"github.com/steelyard/steelyard/pkg/hardware/smbios/dumps"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: dumptable DIRECTORY|ARCHIVE|FILE…")
		os.Exit(2)
	}
	s := survey{gaps: map[smbios.Gap]int{}, unread: map[string]string{}}
	for _, path := range os.Args[1:] {
		if err := dumps.Each(path, s.add); err != nil {
			fmt.Fprintln(os.Stderr, "dumptable:", err)
			os.Exit(1)
		}
	}
	s.print(os.Stdout)
}

// survey counts gaps over many machines.
type survey struct {
	machines, clean int
	gaps            map[smbios.Gap]int // structures
	unread          map[string]string  // file to reason
}

func (s *survey) add(name string, data []byte) error {
	table, err := dumps.Parse(data)
	if err != nil {
		s.unread[name] = err.Error()
		return nil
	}
	_, gaps := table.Inventory()
	s.machines++
	if len(gaps) == 0 {
		s.clean++
	}
	for _, g := range gaps {
		s.gaps[g]++
	}
	return nil
}

func (s *survey) print(w io.Writer) {
	fmt.Fprintf(w, "%d machines, %d understood to the last field, %d files unread\n\n", s.machines, s.clean, len(s.unread))
	rows := make([]smbios.Gap, 0, len(s.gaps))
	for g := range s.gaps {
		rows = append(rows, g)
	}
	slices.SortFunc(rows, func(a, b smbios.Gap) int {
		return cmp.Or(cmp.Compare(s.gaps[b], s.gaps[a]), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COUNT\tTYPE\tFIELD\tVALUE\tWHY")
	for _, g := range rows {
		fmt.Fprintf(table, "%d\t%d\t%s\t%q\t%s\n", s.gaps[g], g.Type, g.Key, g.Value, g.Why)
	}
	table.Flush()
	for _, name := range slices.Sorted(maps.Keys(s.unread)) {
		fmt.Fprintf(w, "unread: %s: %s\n", name, s.unread[name])
	}
}
