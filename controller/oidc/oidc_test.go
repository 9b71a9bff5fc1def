package oidc

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	client   = "steelyard"
	nonce    = "the nonce of this login"
	verifier = "a verifier of which only its digest travels before the end"
	kid      = "key 1"
)

// liar is a provider that answers what a test wants: a well-behaved one is tested in deploy/oidc, with a library of others.
type liar struct {
	*httptest.Server
	key, other *rsa.PrivateKey
	claims     map[string]any // of the next token
	token      func(l *liar) string
	pad        map[string]int    // path → bytes before the end of the answer
	away       map[string]string // path → where it sends who asks
	raw        []byte            // the whole answer of the token endpoint, when not nil
}

func newLiar(t testing.TB) *liar {
	t.Helper()
	l := &liar{pad: map[string]int{}, away: map[string]string{}, token: (*liar).signed}
	for _, k := range []**rsa.PrivateKey{&l.key, &l.other} {
		var err error
		if *k, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.Config.ErrorLog = log.New(io.Discard, "", 0)
	l.StartTLS()
	t.Cleanup(l.Close)
	l.claims = map[string]any{
		"iss": l.URL, "sub": "subject 7", "aud": client, "nonce": nonce, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"preferred_username": "kim", "email": "kim@example.org", "email_verified": true, "groups": []string{"ops", "all"},
	}
	return l
}

func (l *liar) serve(w http.ResponseWriter, r *http.Request) {
	if to := l.away[r.URL.Path]; to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	answer := map[string]any{}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": l.URL, "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token", "jwks_uri": l.URL + "/keys",
			"userinfo_endpoint": l.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
		}
	case "/keys":
		answer["keys"] = []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": text64(l.key.N.Bytes()), "e": text64(big.NewInt(int64(l.key.E)).Bytes()),
		}}
	case "/token":
		answer = map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": l.token(l)}
	case "/userinfo":
		answer = map[string]any{"sub": "subject 7", "groups": []string{"told apart"}}
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/token" && l.raw != nil {
		_, _ = w.Write(l.raw)
		return
	}
	b, _ := json.Marshal(answer)
	_, _ = w.Write(b[:len(b)-1])
	_, _ = w.Write([]byte(strings.Repeat(" ", l.pad[r.URL.Path]) + "}"))
}

func text64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwt puts a token together; sign makes its last part.
func (l *liar) jwt(alg, keyID string, sign func(text []byte) []byte) string {
	head, _ := json.Marshal(map[string]string{"alg": alg, "typ": "JWT", "kid": keyID})
	body, _ := json.Marshal(l.claims)
	text := text64(head) + "." + text64(body)
	return text + "." + text64(sign([]byte(text)))
}

func rs256(key *rsa.PrivateKey) func([]byte) []byte {
	return func(text []byte) []byte {
		sum := sha256.Sum256(text)
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err) // a key of 2048 bits signs
		}
		return sig
	}
}

func (l *liar) signed() string { return l.jwt("RS256", kid, rs256(l.key)) }

func (l *liar) client() Client {
	roots := x509.NewCertPool()
	roots.AddCert(l.Certificate())
	return Client{Provider: access.Provider{Issuer: l.URL, ClientID: client, GroupsClaim: "groups"}, Secret: "the-client-secret", Redirect: "http://127.0.0.1:9/done", Roots: roots}
}

func (l *liar) exchange(t testing.TB) (access.Identity, error) {
	t.Helper()
	return l.client().Exchange(t.Context(), "code", nonce, verifier)
}

func TestX7_WhoTheProviderSignedForIsBelieved(t *testing.T) {
	l := newLiar(t)
	id, err := l.exchange(t)
	if err != nil || id.Issuer != l.URL || id.Subject != "subject 7" || id.Name != "kim" || id.Email != "kim@example.org" || strings.Join(id.Groups, " ") != "ops all" {
		t.Errorf("%+v, %v", id, err)
	}
	delete(l.claims, "groups")
	if id, err = l.exchange(t); err != nil || strings.Join(id.Groups, " ") != "told apart" {
		t.Errorf("asked apart: %+v, %v", id, err)
	}
	l.claims["sub"] = "subject 8"
	if _, err = l.exchange(t); !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "two persons") {
		t.Errorf("two persons: %v", err)
	}
}

// TestX7_WhatIsNotSignedForThisLoginIsNotBelieved whatever else is right.
func TestX7_WhatIsNotSignedForThisLoginIsNotBelieved(t *testing.T) {
	l := newLiar(t)
	good := maps.Clone(l.claims)
	public, err := x509.MarshalPKIXPublicKey(&l.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		token  func(*liar) string
	}{
		"the signature is of another key": {nil, func(l *liar) string { return l.jwt("RS256", kid, rs256(l.other)) }},
		"the key is not known":            {nil, func(l *liar) string { return l.jwt("RS256", "key 2", rs256(l.other)) }},
		"the signature was cut off":       {nil, func(l *liar) string { return l.jwt("RS256", kid, func([]byte) []byte { return nil }) }},
		"the claims were changed afterwards": {nil, func(l *liar) string {
			parts := strings.Split(l.signed(), ".")
			return parts[0] + "." + text64([]byte(strings.Replace(string(mustDecode(parts[1])), "subject 7", "subject 1", 1))) + "." + parts[2]
		}},
		"it is not signed": {nil, func(l *liar) string { return l.jwt("none", kid, func([]byte) []byte { return nil }) }},
		"it is signed with the public key": {nil, func(l *liar) string {
			return l.jwt("HS256", kid, func(text []byte) []byte { h := hmac.New(sha256.New, public); h.Write(text); return h.Sum(nil) })
		}},
		"it is for somebody else": {map[string]any{"aud": "another client"}, nil},
		"it is for nobody":        {map[string]any{"aud": nil}, nil},
		"it is of another issuer": {map[string]any{"iss": "https://elsewhere.example"}, nil},
		"it is expired":           {map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, nil},
		"it never expires":        {map[string]any{"exp": nil}, nil},
		"it is of another login":  {map[string]any{"nonce": "another nonce"}, nil},
		"it is of no login":       {map[string]any{"nonce": nil}, nil},
		"there is none":           {nil, func(*liar) string { return "" }},
		"it is no token":          {nil, func(*liar) string { return "a.b.c" }},
	} {
		t.Run(name, func(t *testing.T) {
			l.claims, l.token = maps.Clone(good), (*liar).signed
			maps.Copy(l.claims, c.claims)
			maps.DeleteFunc(l.claims, func(_ string, v any) bool { return v == nil })
			if c.token != nil {
				l.token = c.token
			}
			id, err := l.exchange(t)
			if !fault.Is(err, fault.KindDenied) || id.Subject != "" {
				t.Errorf("%+v, %v", id, err)
			}
			if strings.Contains(err.Error(), "the-client-secret") {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

func mustDecode(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// TestX7_AnswersWithoutEndAreCutOff: whatever is longer than [maxAnswer] is read no further, and nobody is logged in by it.
func TestX7_AnswersWithoutEndAreCutOff(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys", "/userinfo"} {
		l := newLiar(t)
		delete(l.claims, "groups") // so that all are asked
		l.pad[path] = 2 * maxAnswer
		if id, err := l.exchange(t); err == nil || id.Subject != "" {
			t.Errorf("%s: %+v, %v", path, id, err)
		}
		l.pad[path] = maxAnswer / 2
		if _, err := l.exchange(t); err != nil {
			t.Errorf("%s, half of what is too long: %v", path, err)
		}
	}
}

// TestX7_NobodyIsSentElsewhere: what is meant for the provider, the secret of this fleet too, never goes to whom he names.
func TestX7_NobodyIsSentElsewhere(t *testing.T) {
	var asked atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(stranger.Close)
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys", "/userinfo"} {
		l := newLiar(t)
		delete(l.claims, "groups")
		l.away[path] = stranger.URL + path
		if id, err := l.exchange(t); err == nil || id.Subject != "" {
			t.Errorf("%s: %+v, %v", path, id, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the stranger was asked %d times", n)
	}
}

// TestX7_AProviderWithAnotherNameOrCertificateIsNotAsked for who somebody is.
func TestX7_AProviderWithAnotherNameOrCertificateIsNotAsked(t *testing.T) {
	l := newLiar(t)
	c := l.client()
	c.Roots = x509.NewCertPool()
	if _, err := c.Exchange(t.Context(), "code", nonce, verifier); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("an unknown certificate: %v", err)
	}
	c = l.client()
	c.Issuer += "/"
	if _, err := c.AuthURL(t.Context(), "state", nonce, verifier); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("another issuer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.client().Exchange(ctx, "code", nonce, verifier); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("given up: %v", err)
	}
}

// FuzzIdentity: claims of any shape give no panic, no address that was not verified, and no more groups than are read.
func FuzzIdentity(f *testing.F) {
	for _, seed := range []string{
		`{"preferred_username":"kim","email":"kim@example.org","email_verified":true,"groups":["ops"]}`, `{"email":"kim@example.org","email_verified":"true","groups":"ops"}`,
		`{"groups":[1,null,["a"],{"b":2},"ops"]}`, `{"groups":{"ops":true},"preferred_username":7}`, `{}`, `null`,
	} {
		f.Add([]byte(seed), "groups")
	}
	f.Fuzz(func(t *testing.T, text []byte, groups string) {
		var claims map[string]any
		if json.Unmarshal(text, &claims) != nil {
			return
		}
		id := identity("https://issuer.example", "subject 7", claims, groups)
		verified, _ := claims["email_verified"].(bool)
		if id.Email != "" && !verified || len(id.Groups) > maxGroups || id.Subject != "subject 7" || id.Issuer != "https://issuer.example" {
			t.Errorf("%s gives %+v", text, id)
		}
	})
}

// FuzzTokenAnswer: whatever the token endpoint answers, nobody is logged in by what the provider did not sign.
func FuzzTokenAnswer(f *testing.F) {
	l := newLiar(f)
	stolen := l.jwt("RS256", kid, rs256(l.other))
	for _, seed := range []string{
		`{"access_token":"opaque","token_type":"Bearer","id_token":"` + stolen + `"}`, `{"access_token":"opaque","id_token":7}`, `{"error":"invalid_grant"}`, `{"access_token":""}`,
		`access_token=opaque&id_token=a.b.c`, `{`, ``, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		l.raw = answer
		if answer == nil {
			l.raw = []byte{}
		}
		if id, err := l.exchange(t); err == nil || id.Subject != "" {
			t.Errorf("%q gives %+v, %v", answer, id, err)
		}
	})
}
