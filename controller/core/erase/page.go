package erase

import (
	"bytes"
	"crypto/ed25519"
	_ "embed"
	"encoding/base64"
	"html/template"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
)

//go:embed certificate.html
var pageText string

var page = template.Must(template.New("certificate").Funcs(template.FuncMap{
	"size": func(n uint64) string { return unit.Bytes(n).SI() },
	"moment": func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	},
	"took": func(from, to time.Time) string { return to.Sub(from).Round(time.Second).String() },
}).Parse(pageText))

// Page is the certificate as a page that needs nothing else: to be read, printed, or saved as PDF by a browser. It holds
// the signed text, its signature and the public key, so that the page alone can be verified.
func (e *Erasure) Page(key ed25519.PublicKey) ([]byte, error) {
	c, err := e.Read()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"C": c, "Signed": string(e.Signed), "Signature": base64.StdEncoding.EncodeToString(e.Signature),
		"Key": string(KeyText(key)), "Genuine": len(key) == ed25519.PublicKeySize && ed25519.Verify(key, e.Signed, e.Signature),
	})
	if err != nil {
		return nil, fault.Internal("write the page of certificate %s: %w", e.ID, err)
	}
	return out.Bytes(), nil
}
