package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// call is one request on its way through the API.
type call struct {
	api   *API
	w     http.ResponseWriter
	r     *http.Request
	state *state
}

// state is what the layers around a route learn about a request.
type state struct {
	call    *call
	body    []byte // the whole body, if the route has one
	request string // id, for log and audit
	route   string // "GET /v1/servers/{id}"
	actor   access.Actor
	by      access.Actor // who asks, where he acts for somebody else (rule S11)
	acting  string       // for whom: kind/id; "" for himself
	token   *access.Token
	secret  string       // the bearer token itself: opens sealed answers; never logged
	once    *intake.Once // Idempotency-Key of the request, or nil
	failure error        // internal error, for the log
}

type stateKey struct{}

func stateOf(ctx context.Context) *state {
	s, _ := ctx.Value(stateKey{}).(*state)
	if s == nil {
		return &state{}
	}
	return s
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) actor() access.Actor { return c.state.actor }

// may reports whether the caller has a permission by his role, and by his token.
func (c *call) may(p access.Permission) bool {
	if c.state.acting != "" && !access.MayActing(c.state.by.Role, c.state.actor.Role, p) {
		return false
	}
	return access.Allowed(c.state.actor.Role, p) && (c.state.token == nil || c.state.token.Covers(p))
}

func (c *call) id() string { return c.r.PathValue("id") }

// reply is what a route answers.
type reply struct {
	status int // 0 is 200
	etag   string
	body   []byte
	header map[string]string
	stream func() // writes the answer itself, in place of all the rest
}

// send writes the reply; If-None-Match of a GET is honoured.
func (c *call) send(out reply) {
	h := c.w.Header()
	for name, value := range out.header {
		h.Set(name, value)
	}
	if out.etag != "" {
		h.Set("ETag", out.etag)
	}
	if c.r.Method == http.MethodGet && out.etag != "" && matchesNone(c.r.Header.Get("If-None-Match"), out.etag) {
		c.w.WriteHeader(http.StatusNotModified)
		return
	}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	if out.body == nil {
		c.w.WriteHeader(out.status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(out.body)))
	c.w.WriteHeader(out.status)
	_, _ = c.w.Write(out.body) // the client is gone when this fails
}

// fail answers an error, and keeps one of ours for the log.
func (c *call) fail(err error, area string) {
	if fault.KindOf(err) == fault.KindInternal {
		c.state.failure = err
	}
	writeProblem(c.w, problemOf(err, area))
}

// matchesNone reports whether an If-None-Match header names the tag (RFC 9110,
// section 13.1.2: weak comparison).
func matchesNone(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// tag is the ETag of a row: the record's revision, and behind a hyphen the state
// of whatever else it shows.
func tag(rev, state int64) string {
	if state > rev {
		return `"` + strconv.FormatInt(rev, 10) + "-" + strconv.FormatInt(state, 10) + `"`
	}
	return `"` + strconv.FormatInt(rev, 10) + `"`
}

// ifMatch is the revision that the caller has read and means to change. Without
// it a change of a record is refused with 428; "*" is any (0).
func (c *call) ifMatch() (int64, error) {
	header := strings.TrimSpace(c.r.Header.Get("If-Match"))
	if header == "" {
		return 0, newProblem(http.StatusPreconditionRequired,
			"read the record first and send its ETag as If-Match, so that nobody's change is lost")
	}
	if header == "*" {
		return intake.AnyRevision, nil
	}
	text, _, _ := strings.Cut(strings.Trim(strings.TrimPrefix(header, "W/"), `"`), "-")
	rev, err := strconv.ParseInt(text, 10, 64)
	if err != nil || rev < 1 {
		return 0, newProblem(http.StatusPreconditionFailed, "If-Match does not name a revision of this record; read it again")
	}
	return rev, nil
}

// stale turns "not the revision you read" into 412, which is what If-Match asks for.
func stale(err error) error {
	if errors.Is(err, intake.ErrStale) {
		return newProblem(http.StatusPreconditionFailed, err.Error())
	}
	return err
}

// peer is the address of the client without its port.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
