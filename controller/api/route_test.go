package api

import (
	"net/http"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// hidden routes are served beside huma and are not in the document.
var hidden = []string{"GET /metrics", "GET /metrics/servers", "GET /metrics/accounts", "GET /sd/prometheus"}

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
