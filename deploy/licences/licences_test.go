package licences

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestBinariesHoldOnlyAllowedLicences(t *testing.T) {
	modules, err := Of(root, "./controller", "./agent")
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) < 20 {
		t.Fatalf("found %d modules; the binaries hold more", len(modules))
	}
	for _, m := range modules {
		licence, err := m.Licence()
		if err != nil {
			t.Error(err)
		} else if !slices.Contains(Allowed, licence) {
			t.Errorf("%s %s is under %s; it may not be distributed in the binaries", m.Path, m.Version, licence)
		}
	}
}

// Each direct requirement of go.mod has a row in docs/dependencies.md with its
// version, and no row is left of a module that is gone.
func TestDependenciesAreDocumented(t *testing.T) {
	rows := table(t)
	direct := requirements(t)
	for path, version := range direct {
		if got, ok := rows[path]; !ok {
			t.Errorf("docs/dependencies.md lacks %s: say what it is for, its licence and its upkeep", path)
		} else if got != version {
			t.Errorf("docs/dependencies.md tells %s %s; go.mod requires %s", path, got, version)
		}
	}
	for path := range rows {
		if _, ok := direct[path]; !ok {
			t.Errorf("docs/dependencies.md describes %s, which go.mod does not require directly", path)
		}
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                            "Apache-2.0",
		"Mozilla Public License, version 2.0 ... Secondary License means the GNU GENERAL PUBLIC": "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE Version 3":                                                   "GPL",
		"Redistribution and use in source\nand binary forms ... Neither the name of the holder":  "BSD-3-Clause",
		"Redistribution and use in source and binary forms":                                      "BSD-2-Clause",
		"Permission is hereby granted, free of charge, to any\nperson obtaining a copy":          "MIT",
		"All rights reserved.": "unknown",
	} {
		if got := Classify(text); got != want {
			t.Errorf("Classify(%q) = %s, want %s", text, got, want)
		}
	}
}

var row = regexp.MustCompile("^\\| `([^`]+)` \\| ([^ |]+) \\|")

func table(t *testing.T) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(read(t, "docs/dependencies.md")) {
		if m := row.FindStringSubmatch(line); m != nil {
			rows[m[1]] = m[2]
		}
	}
	return rows
}

var requirement = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`)

func requirements(t *testing.T) map[string]string {
	direct := map[string]string{}
	for _, m := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		direct[m[1]] = m[2]
	}
	return direct
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
