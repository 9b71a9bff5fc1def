package api

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
)

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status string `json:"status" enum:"ok,starting"`
	Detail string `json:"detail,omitempty"`
}

// About is what a controller says of itself to everybody.
type About struct {
	Generation string `json:"generation" doc:"Changes when a module that was made for it could not drive it any more."`
	Fleet      string `json:"fleet" doc:"Fingerprint of the fleet's authority: the same at every replica, and after every restart."`
}

// newDocument makes the OpenAPI side: 3.1, generated from the Go types.
func newDocument(mux *http.ServeMux, version string) huma.API {
	cfg := huma.DefaultConfig("Steelyard", version)
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", ""
	cfg.CreateHooks = nil // no $schema links in answers
	cfg.Info.Description = "Servers, orders and what happens to them. Errors are problem details (RFC 9457) that name every wrong field at once."
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	cfg.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[reselling.Limit](), reflect.TypeFor[limitSchema]())
	cfg.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[plan.Value](), reflect.TypeFor[valueSchema]())
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A token of POST /v1/login or POST /v1/tokens."},
	}
	return humago.New(mux, cfg)
}

// schemaName is the name of a type in the document. What a management controller says has words that
// hardware has too, a chassis or a sensor; so has a certificate of erasure: a disk; and orders have changes and parts as plans have.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case reflect.TypeFor[outofband.Chassis]().PkgPath():
		return "Outofband" + name
	case reflect.TypeFor[erase.Disk]().PkgPath():
		return "Erasure" + name
	case reflect.TypeFor[subscription.Change]().PkgPath():
		return "Subscription" + name
	case reflect.TypeFor[account.Account]().PkgPath():
		return "Hosted" + name
	case reflect.TypeFor[plan.Part]().PkgPath():
		return "Plan" + name
	}
	return name
}

// register adds every route.
func (a *API) register() {
	a.registerPublic()
	a.registerSettings()
	a.registerLogin()
	a.registerServers()
	a.registerSetup()
	a.registerAddresses()
	a.registerWork()
	a.registerDepartments()
	a.registerErasures()
	a.registerImages()
	a.registerPeople()
	a.registerPassword()
	a.registerSecondFactor()
	a.registerSessions()
	a.registerProvider()
	a.registerResellers()
	a.registerPlans()
	a.registerSignUps()
	a.registerCustomers()
	a.registerOffers()
	a.registerSubscriptions()
	a.registerAccounts()
	a.registerUsage()
	a.registerHands()
	a.registerSwitches()
	a.registerSecrets()
	a.registerNotify()
	a.registerSales()
	a.registerEvents()
	a.registerMatching()
}

func (a *API) registerPublic() {
	without(a, "GET /healthz", about{summary: "The process is alive", tag: "health", answer: Health{}}, func(*call) (reply, error) {
		return reply{body: render(&Health{Status: "ok"})}, nil
	})
	without(a, "GET /readyz", about{summary: "The controller can do its work", tag: "health", answer: Health{}}, func(c *call) (reply, error) {
		if err := a.readiness(); err != "" {
			c.w.Header().Set("Retry-After", retrySeconds)
			return reply{status: http.StatusServiceUnavailable, body: render(&Health{Status: "starting", Detail: err})}, nil
		}
		return reply{body: render(&Health{Status: "ok"})}, nil
	})
	without(a, "GET /v1/about", about{
		summary: "Which fleet this is, and the generation of its backend (B3)", tag: "health", answer: About{},
		detail: "What another controller asks before it sends orders here.",
	}, func(*call) (reply, error) {
		return reply{body: render(&About{Generation: order.LocalGeneration, Fleet: a.opt.Fleet})}, nil
	})
	without(a, "GET /v1/openapi.json", about{summary: "This document", tag: "health", answer: map[string]any{}}, func(c *call) (reply, error) {
		return reply{body: a.document, etag: `"` + digestOf(string(a.document))[:16] + `"`}, nil
	})
	for route, h := range map[string]http.Handler{
		"GET /metrics": a.opt.Metrics, "GET /metrics/servers": a.opt.ServerMetrics, "GET /metrics/accounts": a.opt.AccountMetrics, "GET /sd/prometheus": a.opt.Discovery,
	} {
		if h == nil {
			h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				writeProblem(w, newProblem(http.StatusNotFound, "this controller offers no metrics"))
			})
		}
		a.mux.Handle(route, h)
	}
}

func (a *API) readiness() string {
	if !a.Ready() {
		return "the first list of the store is not complete"
	}
	if since := a.opt.Store.Stale(); !since.IsZero() {
		return "the store cannot be reached since " + since.UTC().Format("2006-01-02T15:04:05Z")
	}
	if a.opt.Ready != nil {
		if err := a.opt.Ready(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// finishDocument adds what huma cannot see, and encodes the document once.
func (a *API) finishDocument() []byte {
	doc := a.huma.OpenAPI()
	for name, schema := range a.patches {
		_, path := split(name)
		doc.Paths[path].Patch.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/merge-patch+json": {Schema: schema},
		}}
	}
	if post := doc.Paths["/v1/images"].Post; post != nil {
		post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}
	}
	if get := doc.Paths["/v1/events"].Get; get != nil {
		ok := get.Responses["200"]
		ok.Content = map[string]*huma.MediaType{"text/event-stream": ok.Content["application/json"]}
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		panic("api: the OpenAPI document cannot be written: " + err.Error()) // found by any test that calls New
	}
	return append(text, '\n')
}
