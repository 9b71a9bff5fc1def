package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// endSessions ends those of a user and waits until they are over: a statement notices at its next step that it is killed, and rolls back.
func (p *Part) endSessions(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Patience)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var open int
		err := p.rows(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = "+literal(name), func(string, string, string) { open++ })
		if err != nil || open == 0 {
			return err
		}
		if _, err := p.db.ExecContext(ctx, "KILL HARD CONNECTION USER "+login(name)); err != nil {
			return fmt.Errorf("end the sessions of database user %s: %w", name, p.down(err))
		}
		file.Step("mysql kill " + name)
		select {
		case <-ctx.Done():
			return fault.Unavailable("%d sessions of database user %s are not over after %s: they roll back a large change; it is tried again", open, name, p.o.Patience)
		case <-time.After(pause):
		}
	}
}
