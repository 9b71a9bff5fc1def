package main

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed rules.txt
var rulesText string

// known lists the rules of rules.txt, in its order.
func known() []string {
	var ids []string
	for line := range strings.Lines(rulesText) {
		id, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		ids = append(ids, id)
	}
	return ids
}

var mention = regexp.MustCompile(`\b([XBHSCPU])([0-9]+)([ab]?)(?:–([XBHSCPU])([0-9]+))?\b`)

// withMentioned adds the rules that a text mentions and ids lacks, ranges
// ("B13–B15") included, behind the others of their letter.
func withMentioned(ids []string, text string) []string {
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		found := []string{m[1] + m[2] + m[3]}
		if m[4] == m[1] {
			found = span(m[1], m[2], m[5])
		}
		for _, id := range found {
			if !slices.Contains(ids, id) {
				ids = slices.Insert(ids, lastOf(ids, id[:1])+1, id)
			}
		}
	}
	return ids
}

func lastOf(ids []string, letter string) int {
	for i := len(ids) - 1; i >= 0; i-- {
		if strings.HasPrefix(ids[i], letter) {
			return i
		}
	}
	return len(ids) - 1
}

// span names the rules of one letter from a number to another; none if the
// numbers do not make a range.
func span(letter, from, to string) []string {
	a, _ := strconv.Atoi(from)
	b, _ := strconv.Atoi(to)
	var ids []string
	for n := a; n <= b && b-a < 100; n++ {
		ids = append(ids, letter+strconv.Itoa(n))
	}
	return ids
}

// testNames finds the test and fuzz functions below root.
func testNames(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && hidden(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		found, err := testsOf(path)
		names = append(names, found...)
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "bin"
}

func testsOf(path string) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the tests of %s: %w", path, err)
	}
	var names []string
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}

var (
	single = regexp.MustCompile(`^[XBHSCPU][0-9]+[ab]?$`)
	ranged = regexp.MustCompile(`^([XBHSCPU])([0-9]+)to([XBHSCPU])([0-9]+)$`)
)

// rulesOf reads the rules from a name: TestB33_Ports…, TestB13_B14_Minutes…,
// TestB13toB15_Minutes….
func rulesOf(name string) []string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "Test"), "Fuzz")
	var ids []string
	for word := range strings.SplitSeq(name, "_") {
		if m := ranged.FindStringSubmatch(word); m != nil && m[1] == m[3] {
			ids = append(ids, span(m[1], m[2], m[4])...)
		} else if single.MatchString(word) {
			ids = append(ids, word)
		}
	}
	return ids
}

func byRule(tests []string) map[string][]string {
	named := map[string][]string{}
	for _, test := range tests {
		for _, id := range rulesOf(test) {
			if !slices.Contains(named[id], test) {
				named[id] = append(named[id], test)
			}
		}
	}
	return named
}

// unknown tells of tests that name a rule which does not exist.
func unknown(ids []string, named map[string][]string) []string {
	var lines []string
	for id, tests := range named {
		if !slices.Contains(ids, id) {
			lines = append(lines, fmt.Sprintf("%s is no rule, but is named by %s", id, strings.Join(tests, ",")))
		}
	}
	slices.Sort(lines)
	return lines
}
