package hosting

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// secrets are what customers were told, and who of the processes could have told others.
type secrets struct {
	told []string

	mu   sync.Mutex
	args map[string]bool // arguments and environments of processes
	done chan struct{}
	end  sync.WaitGroup
}

// tells notes that somebody was told a password.
func (w *world) tells(password string) string {
	if len(password) > 7 {
		w.secrets.told = append(w.secrets.told, password)
	}
	return password
}

// watch reads what every user may read of processes, again and again, until it is asked what was found.
func (s *secrets) watch() {
	s.args, s.done = map[string]bool{}, make(chan struct{})
	s.end.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-s.done:
				return
			case <-tick.C:
				s.look()
			}
		}
	})
}

func (s *secrets) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		for _, one := range []string{file, filepath.Join(filepath.Dir(file), "environ")} {
			if text, err := os.ReadFile(one); err == nil { // it may have ended
				s.mu.Lock()
				s.args[string(text)] = true
				s.mu.Unlock()
			}
		}
	}
}

// hidden is rule X9: nothing that a customer was told is in a file, in what programs print, or among the arguments of a process.
func (c *customer) hidden() {
	t, s := c.t, &c.secrets
	close(s.done)
	s.end.Wait()
	if len(s.told) < 5 || len(s.args) < 20 {
		t.Fatalf("%d passwords and %d processes were seen", len(s.told), len(s.args))
	}
	for text := range s.args {
		if slices.ContainsFunc(s.told, func(p string) bool { return strings.Contains(text, p) }) {
			name, _, _ := strings.Cut(text, "\x00")
			t.Errorf("a password is among the arguments of %q", name)
		}
	}
	if said := c.control.Printed() + c.printed(); slices.ContainsFunc(s.told, func(p string) bool { return strings.Contains(said, p) }) {
		t.Error("a program prints a password")
	}
	known := filepath.Join(t.TempDir(), "known")
	c.write(known, "here is "+s.told[0]) // what is not found is not there
	found := c.search(filepath.Dir(known), "/etc", "/srv", "/home", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/var/tmp", "/run", filepath.Join(c.data, "controller"), filepath.Join(c.data, "agent"))
	if !slices.Equal(found, []string{known}) {
		t.Errorf("passwords are in %v", found)
	}
}

func (w *world) printed() string {
	if w.agent == nil {
		return ""
	}
	return w.agent.Printed()
}

// search finds the files in which something is that somebody was told, as it is or in base64.
func (w *world) search(dirs ...string) []string {
	var patterns bytes.Buffer
	for _, p := range w.secrets.told {
		patterns.WriteString(p + "\n" + base64.RawStdEncoding.EncodeToString([]byte(p))[:len(p)] + "\n")
	}
	cmd := exec.Command("grep", append([]string{"--recursive", "--text", "--fixed-strings", "--files-with-matches", "--devices=skip", "--no-messages", "--file=-"}, dirs...)...)
	cmd.Stdin = &patterns
	out, _ := cmd.Output() // its status tells of files that went meanwhile too
	return strings.Fields(string(out))
}
