package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
)

// hidden routes are served beside huma and are not in the document.
var hidden = []string{"GET /metrics"}

func TestX7_EveryRouteIsInTheTableOfPermissions(t *testing.T) {
	h := newHouse(t)
	var documented []string
	for path, item := range h.api.huma.OpenAPI().Paths {
		for method, op := range map[string]any{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if !isNil(op) {
				documented = append(documented, method+" "+path)
			}
		}
	}
	for name := range permissions {
		if !slices.Contains(documented, name) && !slices.Contains(hidden, name) {
			t.Errorf("%s has a permission, but nobody serves it", name)
		}
	}
	for _, name := range documented {
		if _, ok := permissions[name]; !ok {
			t.Errorf("%s is served without a permission", name)
		}
	}
}

// TestX7_RolesMayDoWhatTheTableSays walks every route as every role, and as nobody.
func TestX7_RolesMayDoWhatTheTableSays(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Burst = 100_000 })
	h.api.peers = newLimiter(1, 100_000) // who has no token asks more often than one address may
	for name, perm := range permissions {
		if name == "GET /v1/events" {
			continue // a stream; see events_test.go
		}
		h.pass(time.Second) // nobody may ask only so often
		method, path := split(name)
		path = strings.ReplaceAll(path, "{id}", "no-such-id")
		for _, role := range append(access.Roles(), "") {
			if name == "POST /v1/logout" && role != "" {
				continue // ends the token; see login_test.go
			}
			a := h.ask(role, method, path, "")
			denied := a.status == http.StatusForbidden
			if role == "" {
				denied = a.status == http.StatusUnauthorized
			}
			if want := !access.Allowed(role, perm); denied != want {
				t.Errorf("%s as %q: status %d, so denied is %v; the table says %v", name, role, a.status, denied, want)
			}
			if a.status == http.StatusInternalServerError {
				t.Errorf("%s as %q: %s", name, role, a.body)
			}
			if denied {
				a.problem(t)
			}
		}
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("the walk left errors in the log:\n%s", h.log)
	}
}

func TestX13_UnknownPathsAndMethodsAreProblems(t *testing.T) {
	h := newHouse(t)
	if p := h.ask("", "GET", "/v1/nothing", "").problem(t); p.Status != http.StatusNotFound {
		t.Errorf("an unknown path: %d", p.Status)
	}
	a := h.ask("", "DELETE", "/v1/servers", "")
	if a.problem(t); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET" {
		t.Errorf("a wrong method: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

func isNil(op any) bool {
	o, ok := op.(*huma.Operation)
	return !ok || o == nil
}
