package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
)

func TestB5_OrdersMayNeedAConfirmedAddress(t *testing.T) {
	h := newHouse(t)
	h.ask(access.RoleAdmin, "PUT", "/v1/settings", `{"require_confirmed_email":true}`)
	var got Settings
	h.ask(access.RoleOperations, "GET", "/v1/settings", "").json(t, &got)
	if !got.RequireConfirmedEmail {
		t.Fatal("the setting was not kept")
	}
	a := h.ask(access.RoleAdmin, "POST", "/v1/orders", `{"tariff":"tar-x","customer":"ann","image":"img-x","hostname":"web1"}`)
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "email_confirmed") {
		t.Fatalf("an order of an unconfirmed customer: %d %s", a.status, a.body)
	}
	a = h.ask(access.RoleAdmin, "POST", "/v1/orders", `{"tariff":"tar-x","customer":"ann","image":"img-x","hostname":"web1","email_confirmed":true}`)
	if strings.Contains(string(a.body), "email_confirmed") {
		t.Fatalf("an order of a confirmed customer: %d %s", a.status, a.body)
	}
}
