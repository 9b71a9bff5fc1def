package mail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
)

// fewKicks are done without asking first who is logged in.
const fewKicks = 2

// kickAll ends the sessions of who may not be logged in as he is.
func (p *Part) kickAll(ctx context.Context, waiting map[string]*change) error {
	all := map[string]bool{}
	for _, c := range waiting {
		for line := range c.to.gone {
			if kind, _, address, _ := cut(line); kind == "login" {
				all[address] = true
			}
		}
	}
	if len(all) > fewKicks {
		there, err := p.loggedIn(ctx)
		if err != nil {
			return err
		}
		maps.DeleteFunc(all, func(address string, _ bool) bool { return !there[address] })
	}
	for _, address := range slices.Sorted(maps.Keys(all)) {
		if err := p.kick(ctx, address); err != nil {
			return err
		}
	}
	return nil
}

// loggedIn are the mailboxes with sessions.
func (p *Part) loggedIn(ctx context.Context) (map[string]bool, error) {
	out, err := p.doveadm(ctx, "-f", "tab", "who")
	if err != nil {
		return nil, fmt.Errorf("ask Dovecot who is logged in: %w", err)
	}
	there := map[string]bool{}
	for line := range strings.Lines(out) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		there[name] = true
	}
	return there, nil
}

// kick ends the sessions of a mailbox.
func (p *Part) kick(ctx context.Context, address string) error {
	if _, err := p.doveadm(ctx, "kick", address); err != nil {
		return fmt.Errorf("end the sessions of %s: %w", address, err)
	}
	file.Step("kick " + address)
	return nil
}

// nobodyThere is what doveadm says of somebody without session: EX_NOHOST.
const nobodyThere = 68

// doveadm is what it says. Without Dovecot there are no sessions: nothing.
func (p *Part) doveadm(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.o.Doveadm, append([]string{"-c", p.o.Dovecot}, args...)...)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	var exit *exec.ExitError
	switch {
	case err == nil:
		return text, nil
	case errors.As(err, &exit) && exit.ExitCode() == nobodyThere:
		return "", nil
	case strings.Contains(text, "No such file or directory"), strings.Contains(text, "Connection refused"):
		return "", nil
	}
	return "", fmt.Errorf("%w: %s", err, daemon.Last(text, 300))
}
