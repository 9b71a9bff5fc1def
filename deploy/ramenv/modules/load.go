package modules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/archive"
)

// Loader loads modules into the running kernel. Any number of goroutines may use it.
type Loader struct {
	Index *Index

	mu    sync.Mutex
	tried map[string]func() error // waits until the module is there, or is known not to work
}

// Want loads what a module's name or an alias means, with options for the module itself, and all that it
// needs. What is loaded already, built in or unknown is no error; [Loader.Index] tells whether it is known.
func (l *Loader) Want(word string, options ...string) error {
	var failed []error
	for _, name := range l.Index.Resolve(word) {
		order := l.Index.Order(name)
		for i, n := range order {
			text := ""
			if i == len(order)-1 {
				text = strings.Join(options, " ")
			}
			failed = append(failed, l.load(n, text))
		}
	}
	return errors.Join(failed...)
}

// load loads one module. Whoever comes later waits for the first one; that one alone hears of an error.
func (l *Loader) load(name, options string) error {
	l.mu.Lock()
	loaded, late := l.tried[name]
	if !late {
		if l.tried == nil {
			l.tried = map[string]func() error{}
		}
		loaded = sync.OnceValue(func() error { return insert(filepath.Join(l.Index.Dir, l.Index.File(name)), options) })
		l.tried[name] = loaded
	}
	l.mu.Unlock()
	err := loaded()
	if late || err == nil || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil // ENODEV: a driver without its device
	}
	return fmt.Errorf("load module %s: %w", name, err)
}

// count is how many modules have been tried.
func (l *Loader) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tried)
}

// insert gives a module to the kernel; it may be [archive.Packed].
func insert(file, options string) error {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		image, err := archive.ReadPacked(file)
		if err != nil {
			return err
		}
		return unix.InitModule(image, options)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), options, 0)
}

// sideBySide is how many drivers are loaded at once: most of their time many of them wait for their devices.
const sideBySide = 4

// Devices loads the modules of the given names, and what the devices that are there ask for until no device asks for more: a
// driver may find devices of its own. Network cards are looked after beside all others, because what they are needed for takes
// longest, and one after the other, so that they have the same names at each start. It returns the drivers that could not be loaded.
func (l *Loader) Devices(sys string, always ...string) error {
	var failed []error
	asked, askedNetwork := map[string]bool{}, map[string]bool{}
	for before := -1; l.count() != before; always = nil {
		before = l.count()
		var network error
		var both sync.WaitGroup
		both.Go(func() {
			network = l.rounds(askedNetwork, 1, nil, func() []string { return slices.DeleteFunc(Aliases(sys, "pci", "virtio"), isOther) })
		})
		others := l.rounds(asked, sideBySide, always, func() []string { return slices.DeleteFunc(Aliases(sys), isNetwork) })
		both.Wait()
		failed = append(failed, network, others)
	}
	return errors.Join(failed...)
}

// rounds loads words and what is wanted, again while that made new wishes. What was asked for before is passed over.
func (l *Loader) rounds(asked map[string]bool, atOnce int, words []string, wanted func() []string) error {
	var mu sync.Mutex
	var failed []error
	for more := true; more; words = nil {
		more = false
		var work errgroup.Group
		work.SetLimit(atOnce)
		for _, word := range append(words, wanted()...) {
			if asked[word] {
				continue
			}
			asked[word], more = true, true
			work.Go(func() error {
				if err := l.Want(word); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, err)
				}
				return nil // the others go on
			})
		}
		_ = work.Wait()
	}
	return errors.Join(failed...)
}

// isNetwork tells whether a modalias is that of a network card: a PCI device of class 02, or a card behind virtio (the
// form of both is in the kernel's scripts/mod/file2alias.c).
func isNetwork(modalias string) bool {
	return strings.HasPrefix(modalias, "pci:") && strings.Contains(modalias, "bc02") || strings.HasPrefix(modalias, "virtio:d00000001v")
}

func isOther(modalias string) bool { return !isNetwork(modalias) }

// Aliases lists what the devices below sys (/sys) call themselves, each once, sorted: those of the given buses, or of all buses and of
// the classes whose devices are on none.
func Aliases(sys string, buses ...string) []string {
	var places []string
	for _, name := range buses {
		places = append(places, filepath.Join(sys, "bus", name, "devices"))
	}
	if len(buses) == 0 {
		places = append(places, filepath.Join(sys, "class/input"), filepath.Join(sys, "class/dmi"))
		for _, name := range names(filepath.Join(sys, "bus")) {
			places = append(places, filepath.Join(sys, "bus", name, "devices"))
		}
	}
	var list []string
	for _, place := range places {
		for _, name := range names(place) {
			if word := line(filepath.Join(place, name, "modalias")); word != "" {
				list = append(list, word)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// names lists a directory; one that is not there is empty.
func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.Readdirnames(-1)
	return list
}

// line reads a short file of the kernel, empty when it cannot: a device may go away while it is looked at. Most devices have no such
// file, and an [os.File] costs five system calls where three are enough.
func line(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var text [4096]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text[:n]))
}
