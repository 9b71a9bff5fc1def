package modules

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Index are the tables of one kernel.
type Index struct {
	Dir     string              // /lib/modules/VERSION
	files   map[string]string   // name → path below Dir
	needs   map[string][]string // name → names that it needs directly or not
	aliases map[string][]alias  // bus → patterns of its devices; "" has those that name no bus
	soft    map[string][]string // name → names or aliases that should be there first
	builtin map[string]bool
}

type alias struct {
	pattern, name string
	fixed         string // what comes before the first wildcard: nearly all patterns end there
}

// Name is what a module is called: its file without folder and ending, with underscores.
func Name(file string) string {
	base := path.Base(file)
	if i := strings.Index(base, ".ko"); i >= 0 {
		base = base[:i]
	}
	return strings.ReplaceAll(base, "-", "_")
}

// Read reads depmod's tables in a directory such as /lib/modules/VERSION.
func Read(dir string) (*Index, error) {
	x := &Index{Dir: dir, files: map[string]string{}, needs: map[string][]string{}, aliases: map[string][]alias{}, soft: map[string][]string{}, builtin: map[string]bool{}}
	for file, line := range map[string]func(string){
		"modules.dep": x.dependency, "modules.alias": x.alias, "modules.softdep": x.softdep, "modules.builtin": x.built,
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, os.ErrNotExist) && file != "modules.dep" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the kernel's modules: %w", err)
		}
		for l := range strings.Lines(string(text)) {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
				line(l)
			}
		}
	}
	return x, nil
}

// dependency reads "kernel/fs/ext4/ext4.ko: kernel/fs/mbcache.ko …".
func (x *Index) dependency(line string) {
	file, needs, ok := strings.Cut(line, ":")
	if !ok {
		return
	}
	name := Name(file)
	x.files[name] = file
	for _, f := range strings.Fields(needs) {
		x.needs[name] = append(x.needs[name], Name(f))
	}
}

var wildcards = strings.NewReplacer("?", "*", "[", "*", "\\", "*")

// alias reads "alias pci:v00001AF4d00001000sv… virtio_pci".
func (x *Index) alias(line string) {
	if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
		fixed, _, _ := strings.Cut(wildcards.Replace(f[1]), "*")
		of := bus(fixed)
		x.aliases[of] = append(x.aliases[of], alias{flat(f[1]), f[2], fixed})
	}
}

// bus is what stands before the colon; empty where there is none.
func bus(alias string) string {
	if of, _, named := strings.Cut(alias, ":"); named {
		return of
	}
	return ""
}

// softdep reads "softdep ext4 pre: crypto-crc32c post: …". Only what should be there before counts.
func (x *Index) softdep(line string) {
	f := strings.Fields(line)
	if len(f) < 3 || f[0] != "softdep" {
		return
	}
	before := false
	for _, word := range f[2:] {
		switch word {
		case "pre:":
			before = true
		case "post:":
			before = false
		default:
			if before {
				x.soft[f[1]] = append(x.soft[f[1]], word)
			}
		}
	}
}

func (x *Index) built(line string) { x.builtin[Name(line)] = true }

// Version is the kernel that the tables belong to.
func (x *Index) Version() string { return filepath.Base(x.Dir) }

// Has reports whether a module of this name can be loaded.
func (x *Index) Has(name string) bool { return x.files[Name(name)] != "" }

// Builtin reports whether the kernel has it without loading anything.
func (x *Index) Builtin(name string) bool { return x.builtin[Name(name)] }

// File is the path of a module below Dir.
func (x *Index) File(name string) string { return x.files[Name(name)] }

// Matching names the modules that a device's alias asks for.
func (x *Index) Matching(modalias string) []string {
	var names []string
	text := flat(modalias)
	for _, of := range slices.Compact([]string{"", bus(modalias)}) {
		for _, a := range x.aliases[of] {
			if !strings.HasPrefix(modalias, a.fixed) || slices.Contains(names, a.name) {
				continue
			}
			if ok, _ := path.Match(a.pattern, text); ok {
				names = append(names, a.name)
			}
		}
	}
	return names
}

// flat takes the special meaning from slashes: an asterisk of an alias stands for them too.
func flat(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// Resolve turns a module's name or an alias into names of modules that are there.
func (x *Index) Resolve(word string) []string {
	if x.Has(word) {
		return []string{Name(word)}
	}
	return x.Matching(word)
}

// Order lists a module and all that it needs, in the order in which they have to be loaded. What is
// unknown or built in is left out.
func (x *Index) Order(name string) []string {
	var order []string
	seen := map[string]bool{}
	var walk func(string)
	walk = func(n string) {
		n = Name(n)
		if seen[n] || !x.Has(n) {
			return
		}
		seen[n] = true
		for _, s := range x.soft[n] {
			for _, m := range x.Resolve(s) {
				walk(m)
			}
		}
		for _, m := range x.needs[n] {
			walk(m)
		}
		order = append(order, n)
	}
	walk(name)
	return order
}

// Take makes the index of some modules and all that they need. Names that this kernel does not know,
// neither as module nor built in, come back as missing: kernels drop and rename drivers.
func (x *Index) Take(names []string) (taken *Index, missing []string) {
	taken = &Index{Dir: x.Dir, files: map[string]string{}, needs: map[string][]string{}, aliases: map[string][]alias{}, soft: map[string][]string{}, builtin: x.builtin}
	for _, name := range names {
		order := x.Order(name)
		if len(order) == 0 && !x.Builtin(name) {
			missing = append(missing, name)
		}
		for _, n := range order {
			taken.files[n], taken.needs[n] = x.files[n], x.needs[n]
			if s := x.soft[n]; s != nil {
				taken.soft[n] = s
			}
		}
	}
	for of, list := range x.aliases {
		for _, a := range list {
			if taken.Has(a.name) {
				taken.aliases[of] = append(taken.aliases[of], a)
			}
		}
	}
	return taken, missing
}

// Names lists the modules, sorted.
func (x *Index) Names() []string { return slices.Sorted(maps.Keys(x.files)) }

// Tables writes the index in depmod's form: name of the file → text.
func (x *Index) Tables() map[string]string {
	var dep, aliases, soft strings.Builder
	for _, n := range x.Names() {
		fmt.Fprintf(&dep, "%s:", x.files[n])
		for _, m := range x.needs[n] {
			fmt.Fprintf(&dep, " %s", x.files[m])
		}
		dep.WriteByte('\n')
		if s := x.soft[n]; len(s) > 0 {
			fmt.Fprintf(&soft, "softdep %s pre: %s\n", n, strings.Join(s, " "))
		}
	}
	for _, of := range slices.Sorted(maps.Keys(x.aliases)) {
		for _, a := range x.aliases[of] {
			fmt.Fprintf(&aliases, "alias %s %s\n", strings.ReplaceAll(a.pattern, "\x00", "/"), a.name)
		}
	}
	return map[string]string{"modules.dep": dep.String(), "modules.alias": aliases.String(), "modules.softdep": soft.String()}
}

// Archive takes files and texts.
type target interface {
	File(name string, perm os.FileMode, source string) error
	Text(name string, perm os.FileMode, content string)
}

// AddTo puts the modules and their tables into an archive.
func (x *Index) AddTo(t target) error {
	var failed []error
	dir := path.Join("lib/modules", x.Version())
	for _, n := range x.Names() {
		failed = append(failed, t.File(path.Join(dir, x.files[n]), 0o644, filepath.Join(x.Dir, x.files[n])))
	}
	for name, text := range x.Tables() {
		t.Text(path.Join(dir, name), 0o644, text)
	}
	return errors.Join(failed...)
}
