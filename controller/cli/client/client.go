package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Options tells where the controller is and who asks.
type Options struct {
	URL       string         // https://host[:port], or http:// on loopback
	Token     logging.Secret // bearer token; empty before login
	CA        string         // file with the authority of the controller's certificate, PEM; empty: those of the system
	UserAgent string
	ActFor    string // reseller/…, customer/… or user/… that every request is made for (rule S11)
	// Pause waits between attempts; nil waits for real.
	Pause func(context.Context, time.Duration) error
}

// Client speaks to one controller. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	token     logging.Secret
	http      *http.Client
	userAgent string
	actFor    string
	pause     func(context.Context, time.Duration) error
}

// patience bounds one request; streams and uploads end with their context.
const patience = 60 * time.Second

// New checks the address. It contacts nobody.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Host == "" || base.User != nil {
		return nil, fault.Invalid("the address %q of the controller is not usable; give for example https://steelyard.example.net:8080", o.URL)
	}
	switch {
	case base.Scheme == "https":
	case base.Scheme == "http" && loopback(base.Hostname()):
	case base.Scheme == "http":
		return nil, fault.Refused("%s would send your token in clear text; use https, or http on loopback only", o.URL)
	default:
		return nil, fault.Invalid("the address %q of the controller is not usable; it begins with https://", o.URL)
	}
	if o.Pause == nil {
		o.Pause = pause.For
	}
	roots, err := authorities(o.CA)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: patience,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:     true,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: base, token: o.Token, userAgent: o.UserAgent, actFor: o.ActFor, http: &http.Client{Transport: transport, CheckRedirect: stay}, pause: o.Pause}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authorities is nil, the system's, without a file.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Invalid("read the controller's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Invalid("%s holds no certificate in PEM format", file)
	}
	return pool, nil
}

// Address is where requests go.
func (c *Client) Address() string { return c.base.String() }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
