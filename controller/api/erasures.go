package api

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Erasure is what was done to one disk, in short.
	Erasure struct {
		ID        string    `json:"id"`
		Server    string    `json:"server"`
		Operation string    `json:"operation"`
		Serial    string    `json:"serial,omitempty"`
		WWN       string    `json:"wwn,omitempty"`
		Model     string    `json:"model,omitempty"`
		SizeBytes uint64    `json:"size_bytes"`
		Method    string    `json:"method"`
		Proven    bool      `json:"proven" doc:"It was read back and found empty."`
		At        time.Time `json:"at" doc:"When the certificate was issued."`
		Rev       int64     `json:"rev"`
	}
	// ErasureDetail is the certificate, and what proves that it is genuine.
	ErasureDetail struct {
		Erasure
		Certificate erase.Certificate `json:"certificate"`
		Signed      []byte            `json:"signed" doc:"The certificate as it was signed, byte for byte."`
		Signature   []byte            `json:"signature" doc:"Ed25519, of signed."`
		SigningKey  string            `json:"signing_key" doc:"The fleet's public key (PEM)."`
	}
)

func erasureView(e *erase.Erasure, rev int64) Erasure {
	return Erasure{
		ID: e.ID, Server: e.Server, Operation: e.Operation, Serial: e.Serial, WWN: e.WWN, Model: e.Model,
		SizeBytes: e.SizeBytes, Method: e.Method, Proven: e.Proven, At: e.At, Rev: rev,
	}
}

func (a *API) registerErasures() {
	a.lister("erasures", "Erased disks, and those whose erasure is not proven", Erasure{})
	without(a, "GET /v1/erasures/{id}", about{
		summary: "The certificate of one erased disk", tag: "erasures", answer: ErasureDetail{},
		detail: "With .html behind the id it is a page to read and print, which needs nothing else. Certificates stay when the server is retired.",
	}, a.erasure)
	without(a, "GET /v1/servers/{id}/erasures", about{
		summary: "Erased disks of one server", tag: "erasures", answer: a.listType("erasures", Erasure{}), params: a.board.sheets["erasures"].documentParams(),
	}, func(c *call) (reply, error) {
		r, err := a.find(c, "servers")
		if err != nil {
			return reply{}, err
		}
		values := c.r.URL.Query()
		values.Set("server", r.id)
		return a.listed(c, a.board.sheets["erasures"], values)
	})
}

func (a *API) erasure(c *call) (reply, error) {
	id, asPage := strings.CutSuffix(c.id(), ".html")
	s := a.board.sheets["erasures"]
	r := s.get(id)
	if r == nil || !s.sees(access.ScopeOf(c.actor(), "erasures"), r) {
		return reply{}, fault.NotFound("erasure %q does not exist", clip(c.id()))
	}
	e := r.value.(*erase.Erasure)
	if asPage {
		page, err := e.Page(ed25519.PublicKey(a.opt.SigningKey))
		return reply{stream: func() { c.page(page) }}, err
	}
	cert, err := e.Read()
	if err != nil {
		return reply{}, err
	}
	return reply{etag: tag(r.rev, r.state), body: render(&ErasureDetail{
		Erasure: erasureView(e, r.rev), Certificate: cert, Signed: e.Signed, Signature: e.Signature, SigningKey: string(erase.KeyText(a.opt.SigningKey)),
	})}, nil
}

// page answers with a document that needs nothing else and may do nothing.
func (c *call) page(text []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(text) // the client is gone when this fails
}
