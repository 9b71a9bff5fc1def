package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// secretCommand is `steelyard secret`: the keys that seal secrets, never a secret.
func (p *program) secretCommand() *cobra.Command {
	c := &cobra.Command{Use: "secret", Aliases: []string{"secrets"}, GroupID: setupGroup, Short: "The keys that passwords of machines are sealed with", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(p.secretList(), p.secretRotate())
	return c
}

func (p *program) secretList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the keys, their age, and how many secrets each seals", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), "/v1/secrets", nil)
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			return p.printKeys(a)
		},
	}
}

func (p *program) printKeys(a client.Answer) error {
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, k := range r.list("keys") {
		rows = append(rows, []string{k.text("id"), k.text("state"), k.text("secrets"), words("created_at", k.at("created_at"), p.now()), k.text("created_by"), k.text("readable")})
	}
	p.table([]string{"ID", "STATE", "SECRETS", "CREATED", "BY", "READABLE"}, rows)
	return nil
}

func (p *program) secretRotate() *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use: "rotate", Short: "Make a new key, seal all secrets anew, remove the old key", Args: exactly(),
		Long: "The new key is used at once; the leading controller then seals what is stored anew and removes the old key. A rotation\n" +
			"that was interrupted goes on by itself, and asking again while one is under way changes nothing.",
	}
	c.Flags().BoolVar(&wait, "wait", false, "until the old key is removed")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Post(c.Context(), "/v1/secrets/rotate", nil)
		if err == nil && wait {
			a, err = p.awaitRotation(c.Context(), api, a)
		}
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return p.printKeys(a)
	}
	return c
}

// awaitRotation asks until only the new key is left.
func (p *program) awaitRotation(ctx context.Context, api *client.Client, a client.Answer) (client.Answer, error) {
	told := ""
	for {
		r, err := decode(a.Body)
		if err != nil || r.text("rotating") != "yes" {
			return a, err
		}
		left := int64(0)
		for _, k := range r.list("keys") {
			if k.text("state") == "retiring" {
				left += whole64(k, "secrets")
			}
		}
		if now := fmt.Sprintf("secrets that are still to be sealed anew: %d", left); now != told {
			told = now
			fmt.Fprintln(p.err, now)
		}
		if err := p.pause(ctx, time.Second); err != nil {
			return a, err
		}
		if a, err = api.Get(ctx, "/v1/secrets", nil); err != nil {
			return a, err
		}
	}
}
