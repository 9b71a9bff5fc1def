package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Limits of what a provider answers.
const (
	askTime   = 10 * time.Second // for each answer
	maxAnswer = 1 << 20          // bytes
	maxGroups = 1000
)

// Client is this fleet at a provider.
type Client struct {
	access.Provider
	Secret   logging.Secret
	Redirect string         // where the provider sends people back to
	Roots    *x509.CertPool // nil is the system's list
}

// AuthURL is where a person logs in. A provider that does not answer is unavailable.
func (c Client) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	ctx = c.bounded(ctx)
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	config := c.config(p)
	return config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Exchange asks for what a code stands for: who logged in.
func (c Client) Exchange(ctx context.Context, code, nonce, verifier string) (id access.Identity, err error) {
	ctx = c.bounded(ctx)
	p, err := c.discover(ctx)
	if err != nil {
		return id, err
	}
	config := c.config(p)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return id, fault.Denied("the provider did not take the login (%.100s); log in again", refused.ErrorCode)
	}
	if err != nil {
		return id, fault.Unavailable("the provider %s did not answer: %w", c.Issuer, err)
	}
	raw, _ := token.Extra("id_token").(string)
	proof, err := p.Verifier(&oidc.Config{ClientID: c.ClientID}).Verify(ctx, raw)
	if err != nil {
		return id, fault.Denied("what the provider says cannot be believed: %w", err)
	}
	if proof.Nonce != nonce {
		return id, fault.Denied("the provider answered another login than this one; log in again")
	}
	var claims map[string]any
	if err := proof.Claims(&claims); err != nil {
		return id, fault.Denied("what the provider says cannot be read: %w", err)
	}
	if _, there := claims[c.GroupsClaim]; !there { // many keep the token small and tell the rest where it is asked for
		info, err := p.UserInfo(ctx, config.TokenSource(ctx, token))
		if err == nil && info.Subject != proof.Subject {
			return id, fault.Denied("the provider speaks of two persons in one login") // OpenID Connect Core, 5.3.2
		}
		if err == nil {
			err = info.Claims(&claims)
		}
		if err != nil {
			return id, fault.Unavailable("the provider %s did not tell more of the person: %w", c.Issuer, err)
		}
	}
	return identity(proof.Issuer, proof.Subject, claims, c.GroupsClaim), nil
}

// identity reads the claims that we use. What has another type than it should is not there.
func identity(issuer, subject string, claims map[string]any, groups string) access.Identity {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	id := access.Identity{Issuer: issuer, Subject: subject, Name: text("preferred_username")}
	if verified, _ := claims["email_verified"].(bool); verified {
		id.Email = text("email")
	}
	switch list := claims[groups].(type) {
	case string:
		id.Groups = []string{list}
	case []any:
		for _, g := range list[:min(len(list), maxGroups)] {
			if s, ok := g.(string); ok {
				id.Groups = append(id.Groups, s)
			}
		}
	}
	return id
}

func (c Client) config(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: string(c.Secret), Endpoint: p.Endpoint(), RedirectURL: c.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, c.Scopes...),
	}
}

func (c Client) discover(ctx context.Context) (*oidc.Provider, error) {
	p, err := oidc.NewProvider(ctx, c.Issuer)
	if err != nil {
		return nil, fault.Unavailable("the provider %s cannot be reached; log in with a password, or try again later: %w", c.Issuer, err)
	}
	return p, nil
}

// bounded gives ctx the HTTP client that all questions are asked with.
func (c Client) bounded(ctx context.Context) context.Context {
	t := &http.Transport{
		Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots}, DisableKeepAlives: true,
		TLSHandshakeTimeout: askTime, ResponseHeaderTimeout: askTime, MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{Transport: limited{t}, Timeout: askTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the provider sends us elsewhere")
	}}
	return oidc.ClientContext(ctx, client)
}

// limited cuts answers that are too long.
type limited struct{ http.RoundTripper }

// RoundTrip asks once.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, maxAnswer), a.Body}
	}
	return a, err
}
