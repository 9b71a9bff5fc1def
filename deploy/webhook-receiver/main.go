// Command webhook-receiver is an example of what takes webhooks of Steelyard, to try them
// and to copy from: it checks who sent an event, notices when it comes twice, prints it
// and answers. It needs nothing but the standard library.
//
//	webhook-receiver -secret-file secret -listen 127.0.0.1:8085
//
// The secret is what `steelyard webhook create` printed. Put a TLS proxy in front of it
// unless both run on one machine (then: steelyard settings --webhook-private-targets).
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxBody   = 1 << 20
	tolerance = 5 * time.Minute // between our clock and the sender's
	remember  = 10_000          // ids of events that were handled
)

func main() {
	file := flag.String("secret-file", "", "file with the webhook's secret (whsec_…)")
	listen := flag.String("listen", "127.0.0.1:8085", "address to listen on")
	flag.Parse()
	text, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal("read the secret: ", err)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_"))
	if err != nil || len(secret) == 0 {
		log.Fatal("the secret is not what steelyard webhook create printed")
	}
	server := &http.Server{
		Addr: *listen, Handler: &receiver{secret: secret, out: os.Stdout, now: time.Now, seen: map[string]bool{}},
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	log.Fatal(server.ListenAndServe())
}

// receiver takes events.
type receiver struct {
	secret []byte
	out    io.Writer
	now    func() time.Time

	mu    sync.Mutex
	seen  map[string]bool
	order []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	id, err := verify(r.secret, req.Header, body, r.now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.seen[id] { // an event may come more than once; its id tells
		if _, err := fmt.Fprintf(r.out, "%s %s\n", id, body); err != nil {
			http.Error(w, "cannot be kept now; send it again", http.StatusServiceUnavailable)
			return
		}
		r.keep(id)
	}
	w.WriteHeader(http.StatusNoContent)
}

// keep remembers an id after the event was handled, never before. A real receiver keeps
// ids where they survive a restart, in the transaction that handles the event.
func (r *receiver) keep(id string) {
	r.seen[id] = true
	r.order = append(r.order, id)
	if len(r.order) > remember {
		delete(r.seen, r.order[0])
		r.order = r.order[1:]
	}
}

// verify tells whether a message is of the owner of the secret, and fresh, as the
// Standard Webhooks specification asks. It returns the id of the event.
func verify(secret []byte, h http.Header, body []byte, now time.Time) (id string, err error) {
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return "", errors.New("webhook-id or webhook-timestamp is missing")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return "", errors.New("the message is too old, or one of the two clocks is wrong")
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	want := mac.Sum(nil)
	for signature := range strings.FieldsSeq(h.Get("webhook-signature")) { // several while the secret changes
		version, text, _ := strings.Cut(signature, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return id, nil
		}
	}
	return "", errors.New("no signature of this message is ours")
}
