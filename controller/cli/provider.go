package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/pkg/fault"
)

var providerFields = []field{
	{name: "issuer", usage: "address of the provider, https; empty: nobody logs in so"},
	{name: "client_id", usage: "as the provider knows this fleet; its secret is asked for"},
	{name: "scopes", kind: list, usage: "asked for beside openid, for example profile,email,groups"},
	{name: "groups_claim", usage: "where the provider tells the groups of a person; most say groups"},
}

// providerCommand is `steelyard provider`.
func (p *program) providerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "provider", GroupID: setupGroup, Short: "Through whom your people log in (OpenID Connect)", Args: cobra.ArbitraryArgs, RunE: group,
		Long: "Through whom your people log in (OpenID Connect). Tell the provider the address <public URL>/v1/oidc/callback.",
	}
	show := &cobra.Command{Use: "show", Short: "Show it, without its secret", Args: exactly(), RunE: func(c *cobra.Command, _ []string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), "/v1/provider", nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		return outline(p.out, a.Body, p.now())
	}}
	c.AddCommand(show, p.providerSet())
	return c
}

func (p *program) providerSet() *cobra.Command {
	var file string
	var groups []string
	c := &cobra.Command{
		Use: "set", Short: "Change what is given; the secret is asked for with --client-id", Args: exactly(),
		Example: "  steelyard provider set --issuer https://login.example.com/realms/ops --client-id steelyard \\\n" +
			"    --scopes profile,email,groups --groups-claim groups --group infra=systems --group noc=operations --group dc=department:hands",
	}
	f := p.form(c, providerFields)
	c.Flags().StringVar(&file, "client-secret-file", "", "file that holds the secret")
	c.Flags().StringArrayVar(&groups, "group", nil, "GROUP=ROLE, or GROUP=department:NAME; the first that a person is in counts; given once, all are given")
	c.RunE = func(c *cobra.Command, _ []string) error {
		given, err := f.body(c.Context(), c.Flags())
		if err != nil {
			return err
		}
		if len(groups) > 0 {
			if given["groups"], err = groupRoles(c, groups); err != nil {
				return err
			}
		}
		if id, named := given["client_id"].(string); file != "" || named && id != "" {
			secret, err := p.password(file, "Client secret: ", false)
			if err != nil {
				return err
			}
			given["client_secret"] = string(secret)
		}
		if len(given) == 0 {
			return usage(c, "say what to change; %s --help lists the fields", c.CommandPath())
		}
		return p.putProvider(c.Context(), given)
	}
	return c
}

func groupRoles(c *cobra.Command, list []string) (out []map[string]any, err error) {
	for _, text := range list {
		at := strings.LastIndexByte(text, '=')
		if at < 1 {
			return nil, usage(c, "--group %s is not GROUP=ROLE", text)
		}
		role, department, _ := strings.Cut(text[at+1:], ":")
		g := map[string]any{"group": text[:at], "role": role}
		if department != "" {
			g["department"] = department
		}
		out = append(out, g)
	}
	return out, nil
}

func (p *program) putProvider(ctx context.Context, given map[string]any) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Get(ctx, "/v1/provider", nil)
	if err != nil {
		return err
	}
	var whole map[string]any
	if err := json.Unmarshal(a.Body, &whole); err != nil {
		return fault.Internal("read the provider: %w", err)
	}
	delete(whole, "client_secret_set")
	if a, err = putOver(ctx, api, "/v1/provider", whole, given); err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	return outline(p.out, a.Body, p.now())
}

// browserTime is how long a login in the browser is waited for.
const browserTime = 10 * time.Minute

// loginByProvider shows an address for the browser, waits at a loopback port for the code that it comes back with
// (RFC 8252), and exchanges that for a session.
func (p *program) loginByProvider(ctx context.Context) error {
	api, err := p.stranger()
	if err != nil {
		return err
	}
	defer api.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fault.Unavailable("the answer of the browser cannot be awaited: %w", err)
	}
	codes := make(chan string, 1)
	server := &http.Server{ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := r.URL.Query().Get("code"); code != "" {
			select {
			case codes <- code:
			default:
			}
			fmt.Fprintln(w, "You can close this page; go on in your terminal.")
			return
		}
		http.NotFound(w, r)
	})}
	defer server.Close()
	go func() { _ = server.Serve(l) }() // ends with Close
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"return": {"http://" + l.Addr().String() + "/"}, "challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	fmt.Fprintln(p.err, "open this in your browser and log in there:")
	fmt.Fprintln(p.err, strings.TrimRight(api.Address(), "/")+"/v1/oidc/login?"+q.Encode())
	limit, cancel := context.WithTimeout(ctx, browserTime)
	defer cancel()
	select {
	case <-limit.Done():
		return fault.Unavailable("nobody logged in within %v", browserTime)
	case code := <-codes:
		a, err := api.Post(ctx, "/v1/oidc/session", map[string]any{"code": code, "verifier": verifier})
		if err != nil {
			return err
		}
		return p.keepLogin(api, a)
	}
}
