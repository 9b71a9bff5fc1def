package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Limits of one request.
const (
	maxBody      = 1 << 20          // bytes, uploads of images apart
	bodyTime     = 30 * time.Second // to read it
	answerTime   = 60 * time.Second // to write one answer, or the next part of a long one
	storeTime    = 10 * time.Second // to commit a change
	maxRequestID = 64
)

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is an answer of 200 unless something else was said.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP answers one request. Nothing in it ends the process: a panic is
// answered with 500, logged, and counted like any other answer.
func (a *API) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := a.opt.Now()
	w := &recorder{ResponseWriter: rw}
	st := &state{request: requestID(r)}
	_, st.route = a.mux.Handler(r)
	defer func() {
		if p := recover(); p != nil {
			a.panicked(w, st, p)
		}
		a.observe(w, r, st, start)
	}()
	header(w.Header(), st)
	ctx := intake.WithRequestID(context.WithValue(r.Context(), stateKey{}, st), st.request)
	r = r.WithContext(ctx)
	st.call = &call{api: a, w: w, r: r, state: st}
	if p := a.admit(st.call); p != nil {
		writeProblem(w, p)
		return
	}
	a.route(st.call)
}

func header(h http.Header, st *state) {
	h.Set("X-Request-Id", st.request)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Authorization, "+actForHeader) // the same path and ETag show one person more than another
}

// route reads the body and hands the request on.
func (a *API) route(c *call) {
	control := http.NewResponseController(c.w)
	_ = control.SetWriteDeadline(a.opt.Now().Add(answerTime)) // refused by writers that have no connection
	if hasBody(c.r.Method) && c.state.route != uploadRoute {
		_ = control.SetReadDeadline(a.opt.Now().Add(bodyTime))
		if p := c.readBody(); p != nil {
			writeProblem(c.w, p)
			return
		}
	}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead && c.state.route != uploadRoute {
		ctx, cancel := context.WithTimeout(c.r.Context(), storeTime)
		defer cancel()
		c.r = c.r.WithContext(ctx)
	}
	if since := a.opt.Store.Stale(); !since.IsZero() {
		c.w.Header().Set("X-Steelyard-Stale-Since", since.UTC().Format(time.RFC3339))
	}
	if !a.once(c) {
		return
	}
	a.mux.ServeHTTP(c.w, c.r)
}

func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// readBody takes the whole body, so that it can be compared with an earlier one.
func (c *call) readBody() *Problem {
	if c.r.ContentLength > maxBody {
		return tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil {
		return newProblem(http.StatusRequestTimeout, "the body did not arrive in time, or the connection broke")
	}
	if len(body) > maxBody {
		return tooLarge()
	}
	c.state.body = body
	c.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func tooLarge() *Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "the body is larger than "+strconv.Itoa(maxBody)+" bytes")
}

// admit decides who may go on: rate, login, permission.
func (a *API) admit(c *call) *Problem {
	now := a.opt.Now()
	perm, known := permissions[c.state.route]
	if !known { // the fallback answers it, to anybody
		perm = access.Public
	}
	if perm == access.Public {
		if slices.Contains(strangers, c.state.route) || !known {
			return c.paced(a.peers, peer(c.r), now)
		}
		return nil
	}
	if !a.Ready() { // nobody is known yet; a denial would be untrue
		c.w.Header().Set("Retry-After", retrySeconds)
		return newProblem(http.StatusServiceUnavailable, "the controller is starting and has not read its state; try again shortly")
	}
	if p := a.authenticate(c, now); p != nil {
		if slow := c.paced(a.peers, peer(c.r), now); slow != nil {
			return slow
		}
		return p
	}
	if p := c.paced(a.callers, c.state.token.ID, now); p != nil {
		return p
	}
	a.saw(c.state.token, now)
	if perm != access.Self && a.lacksSecondFactor(c.state.token) {
		return newProblem(http.StatusForbidden, "this fleet wants a second factor of you before anything else: steelyard user second-factor enrol")
	}
	if p := a.actFor(c, perm); p != nil {
		return p
	}
	if c.state.acting != "" && !c.may(perm) && access.Allowed(c.state.actor.Role, perm) {
		return newProblem(http.StatusForbidden, "you may not do this yourself, so not for "+c.state.acting+" either; it needs the permission "+string(perm))
	}
	if !c.may(perm) && access.Allowed(c.state.actor.Role, perm) {
		return newProblem(http.StatusForbidden, "this token was made without the permission "+string(perm))
	}
	if !c.may(perm) {
		return newProblem(http.StatusForbidden, "the role "+string(c.state.actor.Role)+" may not do this; it needs the permission "+string(perm))
	}
	return nil
}

// paced refuses a key that asks too often, and says when to come again.
func (c *call) paced(l *limiter, key string, now time.Time) *Problem {
	wait, ok := l.take(key, now)
	if ok {
		return nil
	}
	seconds := strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	c.w.Header().Set("Retry-After", seconds)
	return newProblem(http.StatusTooManyRequests, "too many requests; wait "+seconds+" s")
}

// requestID is the client's id of the request if it is a sane one, else a new one.
func requestID(r *http.Request) string {
	s := r.Header.Get("X-Request-Id")
	ok := s != "" && len(s) <= maxRequestID
	for _, c := range []byte(s) {
		ok = ok && (c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}
	if ok {
		return s
	}
	return id.New("req")
}

func (a *API) panicked(w *recorder, st *state, p any) {
	a.opt.Logger.Error("request panicked", logging.KeyRequest, st.request, "route", st.route, "panic", p, "stack", string(debug.Stack()))
	if p == http.ErrAbortHandler {
		w.status = http.StatusInternalServerError
		return
	}
	if w.status == 0 {
		writeProblem(w, problemOf(fault.Internal("panic"), "body"))
	}
}

func (a *API) observe(w *recorder, r *http.Request, st *state, start time.Time) {
	if st.failure != nil && !errors.Is(st.failure, context.Canceled) {
		a.opt.Logger.Error("request failed", logging.KeyRequest, st.request, "route", st.route, logging.KeyError, st.failure)
	}
	if a.opt.Observe == nil {
		return
	}
	_, path := split(st.route)
	if path == "" {
		path = "other"
	}
	a.opt.Observe.Request(path, r.Method, cmpOr(w.status, http.StatusOK), a.opt.Now().Sub(start))
}

// lost answers what no route does: 405 where another method would, else 404.
func (a *API) lost(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range methods {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := a.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, newProblem(http.StatusNotFound, "there is nothing at "+clip(r.URL.Path)+"; see /v1/openapi.json"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, newProblem(http.StatusMethodNotAllowed, "use "+strings.Join(allowed, ", ")+" here"))
}
