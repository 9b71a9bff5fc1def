// Package licences reads the licence of every module that the two binaries
// contain. It never asks a network: the texts are those of the modules that were
// built. Its test refuses licences that the project cannot be distributed under,
// and keeps docs/dependencies.md complete.
package licences

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is one module of a binary.
type Module struct {
	Path, Version string
	Dir           string // where its source lies
}

// Allowed are the licences that Apache-2.0 programs may contain; MPL-2.0 asks
// only for the source of its own files.
var Allowed = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0"}

// Of lists the modules that the packages are built from, the main module left out.
func Of(root string, packages ...string) ([]Module, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", format}, packages...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("list the modules of %v: %w", packages, err)
	}
	lines := slices.Compact(slices.Sorted(strings.Lines(string(out))))
	var modules []Module
	for _, line := range lines {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			modules = append(modules, Module{f[0], f[1], f[2]})
		}
	}
	return modules, nil
}

// Licence names the licence of a module by its text, "unknown" if no text is known.
func (m Module) Licence() (string, error) {
	files, err := os.ReadDir(m.Dir)
	if err != nil {
		return "", fmt.Errorf("read the source of %s: %w", m.Path, err)
	}
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, f.Name()))
		if err != nil {
			return "", fmt.Errorf("read the licence of %s: %w", m.Path, err)
		}
		if l := Classify(string(text)); l != "unknown" {
			return l, nil
		}
	}
	return "unknown", nil
}

// Classify names a licence by sentences that only its text has.
func Classify(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("GNU AFFERO GENERAL PUBLIC LICENSE"), has("GNU LESSER GENERAL PUBLIC LICENSE"), has("GNU GENERAL PUBLIC LICENSE") && !has("Mozilla Public License"):
		return "GPL"
	case has("Apache License") && has("Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License") && has("2.0"):
		return "MPL-2.0"
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute this software for any purpose"), has("Permission to use, copy, modify, and distribute this software for any purpose"):
		return "ISC"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("be used to endorse or promote")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	default:
		return "unknown"
	}
}
