package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// adminLife is how long the first administrator's token is good: long enough to make others.
const adminLife = 90 * 24 * time.Hour

// FirstToken makes an administrator's token on a fleet that has none, and tells its
// secret to the person who started the controller. It is kept nowhere (rule X9). ca is
// the file with the authority that the person's program needs to trust the API.
func (c *Controller) FirstToken(ctx context.Context, ca string, out io.Writer) error {
	if store.Tokens.Len(c.Store.Snapshot()) > 0 || store.Users.Len(c.Store.Snapshot()) > 0 {
		return nil
	}
	_, secret, _, err := c.Intake.CreateToken(ctx, access.System, intake.TokenDraft{
		Kind: access.TokenAPI, Name: "first administrator", Role: access.RoleAdmin, ExpiresAt: now().Add(adminLife),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `This fleet is new. Its administrator's token, shown only now and good for 90 days:

  export STEELYARD_URL=%s
  export STEELYARD_CA=%s
  export STEELYARD_TOKEN=%s

Make a user for each person with it: steelyard user create
`, c.URL(), ca, secret)
	return err
}

// Serve runs one replica until ctx ends.
func Serve(ctx context.Context, o Options, out io.Writer) error {
	c, err := Open(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	ca, err := filepath.Abs(filepath.Join(o.Data, "ca.pem"))
	if err != nil {
		return fault.Invalid("the data directory: %w", err)
	}
	if err := c.WriteCA(ca); err != nil {
		return fault.Unavailable("the authority's certificate cannot be written: %w", err)
	}
	return c.during(ctx, func(ctx context.Context) error {
		fmt.Fprintf(out, "API and metrics: %s (authority: %s)\nAgents connect to: %s\n", c.URL(), ca, c.AgentAddress())
		return c.FirstToken(ctx, ca, out)
	})
}

// during runs the controller, and f once it is ready. An error of either ends both.
func (c *Controller) during(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx)
		cancel() // nobody needs to wait for it to become ready
	}()
	if err := c.awaitReady(ctx); err == nil {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			cancel()
			<-ended
			return err
		}
	}
	return <-ended
}

func (c *Controller) awaitReady(ctx context.Context) error {
	for {
		if c.ready() == nil {
			return nil
		}
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// keptSecret reads a secret that an earlier start left in a file of mode 0600, or
// makes and keeps one. Only the fleet on one machine (Dev) keeps secrets.
func keptSecret(path string, known func(secret string) bool, fresh func() (string, error)) (string, error) {
	if data, err := os.ReadFile(path); err == nil {
		if secret := strings.TrimSpace(string(data)); known(secret) {
			return secret, nil
		}
	}
	secret, err := fresh()
	if err != nil {
		return "", err
	}
	return secret, os.WriteFile(path, []byte(secret+"\n"), 0o600)
}
