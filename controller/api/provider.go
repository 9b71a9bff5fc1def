package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/oidc"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	providerBody struct{ intake.ProviderDraft }
	redeemBody   struct {
		Code     string `json:"code" maxLength:"128" doc:"As the login came back with it."`
		Verifier string `json:"verifier" maxLength:"128" doc:"What the challenge was made of (RFC 7636, S256)."`
	}
	// Provider is who people may log in with; its secret is not shown.
	Provider struct {
		Issuer      string             `json:"issuer"`
		ClientID    string             `json:"client_id,omitempty"`
		SecretSet   bool               `json:"client_secret_set"`
		Scopes      []string           `json:"scopes,omitempty"`
		GroupsClaim string             `json:"groups_claim,omitempty"`
		Groups      []access.GroupRole `json:"groups,omitempty"`
	}
)

func (b *providerBody) check(c *fault.Check, _ intake.Lookup, st *state) {
	b.Check(c, st.call.api.provider())
}

func (a *API) provider() access.Provider {
	if p, ok := store.Providers.View(a.opt.Store, store.TheProvider); ok {
		return *p
	}
	return access.Provider{}
}

func (a *API) providerReply() reply {
	p := a.provider()
	return reply{body: render(&Provider{p.Issuer, p.ClientID, !p.Secret.IsZero(), p.Scopes, p.GroupsClaim, p.Groups})}
}

func (a *API) registerProvider() {
	without(a, "GET /v1/provider", about{summary: "Through whom your people may log in (OpenID Connect), without the secret", tag: "access", answer: Provider{}}, func(*call) (reply, error) {
		return a.providerReply(), nil
	})
	withBody(a, "PUT /v1/provider", about{summary: "Set through whom your people may log in", tag: "access", answer: Provider{}}, func(c *call, b *providerBody) (reply, error) {
		if err := a.in.SetProvider(c.ctx(), c.actor(), b.ProviderDraft); err != nil {
			return reply{}, err
		}
		return a.providerReply(), nil
	})
	query := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Schema: text0, Description: doc}
	}
	without(a, "GET /v1/oidc/login", about{
		summary: "Begin a login through the provider, in a browser", tag: "access", status: http.StatusFound,
		params: []*huma.Param{
			query("return", "Where the browser goes at the end, with ?code=: a loopback address, or one of this fleet (public_url)."),
			query("challenge", "Base64url of the SHA-256 of a secret that POST /v1/oidc/session then shows (RFC 7636)."),
		},
	}, a.beginOIDC)
	without(a, "GET /v1/oidc/callback", about{
		summary: "Where the provider sends the browser back to", tag: "access", status: http.StatusFound,
		params: []*huma.Param{query("code", "Of the provider."), query("state", "Of this login."), query("error", "When the provider said no.")},
	}, a.endOIDC)
	withBody(a, "POST /v1/oidc/session", about{summary: "Exchange the code of a login through the provider for the login", tag: "access", answer: Session{}}, a.redeem)
}

// attempt is a login that is under way. It travels as the state, which only this fleet can make, so that any replica
// can end what another began.
type attempt struct {
	Return    string `json:"r"`
	Challenge string `json:"c"`
	Browser   string `json:"b"` // digest of the cookie: a login ends in the browser that began it
	Until     int64  `json:"u"` // seconds of the Unix epoch
}

const (
	attemptLife   = 10 * time.Minute
	attemptCookie = "steelyard_login"
)

// sign is the attempt as text, behind it what shows that we made it.
func (a *API) sign(at attempt) string {
	text, _ := json.Marshal(at) // strings and a number: cannot fail
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + a.in.Keyed("state", body)
}

// attemptOf reads a state that we made; false when we did not, or its time is over.
func (a *API) attemptOf(state string, now time.Time) (at attempt, ok bool) {
	body, mark, _ := strings.Cut(state, ".")
	if len(state) > 4096 || subtle.ConstantTimeCompare([]byte(mark), []byte(a.in.Keyed("state", body))) != 1 {
		return at, false
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(text, &at) != nil {
		return at, false
	}
	return at, now.Unix() < at.Until
}

func (a *API) oidcClient() (oidc.Client, string, error) {
	p, secret, base, err := a.in.Provider()
	return oidc.Client{Provider: p, Secret: secret, Redirect: base + "/v1/oidc/callback", Roots: a.opt.Roots}, base, err
}

func (a *API) beginOIDC(c *call) (reply, error) {
	client, base, err := a.oidcClient()
	if err != nil {
		return reply{}, err
	}
	q := c.r.URL.Query()
	var check fault.Check
	check.Require(mayReturn(q.Get("return"), base), "query.return", "is neither a loopback address nor one of %s", base)
	raw, err := base64.RawURLEncoding.DecodeString(q.Get("challenge"))
	check.Require(err == nil && len(raw) == sha256.Size, "query.challenge", "is no base64url of a SHA-256")
	if err := check.Err("the login cannot begin"); err != nil {
		return reply{}, err
	}
	browser := rand.Text()
	state := a.sign(attempt{q.Get("return"), q.Get("challenge"), access.Digest(browser), a.opt.Now().Add(attemptLife).Unix()})
	to, err := client.AuthURL(c.ctx(), state, a.in.Keyed("nonce", state), a.in.Keyed("verifier", state))
	if err != nil {
		return reply{}, err
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: attemptCookie, Value: browser, Path: "/v1/oidc", MaxAge: int(attemptLife / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(base, "https://"),
	})
	return redirect(to), nil
}

func redirect(to string) reply {
	return reply{status: http.StatusFound, header: map[string]string{"Location": to, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}}
}

// mayReturn reports whether a code may go to an address: to a program of the person's own machine, or to this fleet.
func mayReturn(text, base string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > 1024 || u.User != nil || u.Fragment != "" || u.RawQuery != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && ip != nil && ip.IsLoopback() {
		return true // RFC 8252, 7.3
	}
	own, err := url.Parse(base)
	return err == nil && u.Scheme == own.Scheme && u.Host == own.Host
}

func (a *API) endOIDC(c *call) (reply, error) {
	client, _, err := a.oidcClient()
	if err != nil {
		return reply{}, err
	}
	q := c.r.URL.Query()
	state := q.Get("state")
	at, ok := a.attemptOf(state, a.opt.Now())
	cookie, err := c.r.Cookie(attemptCookie)
	if !ok || err != nil || !access.SameDigest(access.Digest(cookie.Value), at.Browser) {
		return reply{}, fault.Denied("this login was not begun in this browser, or too long ago; log in again")
	}
	http.SetCookie(c.w, &http.Cookie{Name: attemptCookie, Path: "/v1/oidc", MaxAge: -1})
	if q.Get("code") == "" {
		return reply{}, fault.Denied("the provider did not let you in (%.100s)", clip(q.Get("error")))
	}
	who, err := client.Exchange(c.ctx(), q.Get("code"), a.in.Keyed("nonce", state), a.in.Keyed("verifier", state))
	if err != nil {
		return reply{}, err
	}
	code, err := a.in.EnterByProvider(c.ctx(), client.Provider, who, at.Challenge)
	if err != nil {
		return reply{}, err
	}
	return redirect(at.Return + "?" + url.Values{"code": {code}}.Encode()), nil
}

func (a *API) redeem(c *call, b *redeemBody) (reply, error) {
	if p := c.paced(a.logins, peer(c.r), a.opt.Now()); p != nil {
		return reply{}, p
	}
	u, err := a.in.RedeemLogin(c.ctx(), b.Code, b.Verifier)
	if err != nil {
		return reply{}, err
	}
	return a.opened(c, u)
}
