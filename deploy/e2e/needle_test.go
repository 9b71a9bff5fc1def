package e2e

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/account"
)

// needle is one way to write something that is looked for.
type needle struct {
	what, form string
	text       []byte
}

// head is how many first bytes of a needle are looked up at once; no needle is shorter.
const head = 8

// haystack looks for many things at once, in texts of any size.
type haystack struct {
	byHead map[uint64][]needle
	starts [1 << 16]bool                // first two bytes of some needle
	found  map[string]map[string]string // by place: what is there, and in which form
}

func newHaystack() *haystack {
	return &haystack{byHead: map[uint64][]needle{}, found: map[string]map[string]string{}}
}

// seek adds something in all forms that it may be written in.
func (h *haystack) seek(what, text string) {
	for form, written := range forms(text) {
		if len(written) < head {
			continue
		}
		n := needle{what, form, []byte(written)}
		key := binary.LittleEndian.Uint64(n.text)
		h.byHead[key] = append(h.byHead[key], n)
		h.starts[uint16(key)] = true
	}
}

// in notes what is in a text.
func (h *haystack) in(where string, text []byte) {
	for i := 0; i+head <= len(text); i++ {
		if !h.starts[uint16(text[i])|uint16(text[i+1])<<8] {
			continue
		}
		for _, n := range h.byHead[binary.LittleEndian.Uint64(text[i:])] {
			if bytes.HasPrefix(text[i:], n.text) {
				h.note(where, n)
			}
		}
	}
	if cryptDigest.Match(text) {
		h.note(where, needle{what: "the digest of a password", form: "crypt(5) has it"})
	}
}

func (h *haystack) note(where string, n needle) {
	if h.found[where] == nil {
		h.found[where] = map[string]string{}
	}
	h.found[where][n.what] = n.form
}

// forms are the ways in which programs write a text into files, logs, addresses and messages.
func forms(text string) map[string]string {
	quoted, _ := json.Marshal(text)
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	all := map[string]string{
		"clear": text, "JSON": strings.Trim(string(quoted), `"`), "JSON without escaped HTML": strings.Trim(strings.TrimSpace(plain.String()), `"`), "Go": strings.Trim(strconv.Quote(text), `"`),
		"HTML": html.EscapeString(text), "URL": url.QueryEscape(text), "URL path": url.PathEscape(text),
		"hex": hex.EncodeToString([]byte(text)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(text))),
		"base32": strings.TrimRight(base32.StdEncoding.EncodeToString([]byte(text)), "="),
	}
	// In something larger the text may begin at any of three places of base64; what the neighbours have a part in is left out.
	for before := range 3 {
		raw := append(make([]byte, before), text...)
		first, whole := (before*8+5)/6, len(raw)*8/6
		all[fmt.Sprint("base64, at ", before)] = base64.RawStdEncoding.EncodeToString(raw)[first:whole]
		all[fmt.Sprint("base64url, at ", before)] = base64.RawURLEncoding.EncodeToString(raw)[first:whole]
	}
	return all
}

// TestX9_TheSearchFindsEveryForm shows that what is not found is not there.
func TestX9_TheSearchFindsEveryForm(t *testing.T) {
	const secret = `correct<horse> "battery" & 100% stäple`
	h := newHaystack()
	h.seek("secret", secret)
	h.seek("another", "something that is nowhere")
	basic := base64.StdEncoding.EncodeToString([]byte("kim:" + secret + "!"))
	inJSON, _ := json.Marshal(map[string]string{"password": secret})
	for i, text := range []string{
		"x" + secret, string(inJSON), fmt.Sprintf("msg=%q", secret), "?p=" + url.QueryEscape(secret), html.EscapeString(secret),
		fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "Authorization: Basic " + basic,
		base64.URLEncoding.EncodeToString([]byte("ab" + secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
	} {
		where := fmt.Sprint("text ", i)
		h.in(where, slices.Concat(make([]byte, 3), []byte(text), make([]byte, 3)))
		if len(h.found[where]) != 1 || h.found[where]["secret"] == "" {
			t.Errorf("in %q was found %v", text, h.found[where])
		}
	}
	digest, err := account.SystemDigest(secret, "sixteenletters00")
	if h.in("a map of mail", []byte("info@example.de:"+digest+"\n")); err != nil || len(h.found["a map of mail"]) != 1 {
		t.Errorf("a digest is not found: %v", err)
	}
	h.in("nothing", []byte("correct horse battery staple"))
	if len(h.found["nothing"]) > 0 {
		t.Errorf("found %v where nothing is", h.found["nothing"])
	}
}
