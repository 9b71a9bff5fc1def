package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// about documents a route.
type about struct {
	summary string
	detail  string
	tag     string
	answer  any  // a value of the type that is answered; nil: no body
	status  int  // of success; 0 is 200
	edits   bool // needs If-Match
	creates bool // takes an Idempotency-Key
	params  []*huma.Param
}

// checked is a body that knows more of what is wrong with it than its schema.
type checked interface {
	check(c *fault.Check, look intake.Lookup, st *state)
}

// input is the body of a request. Whatever is wrong by schema and by check is told
// at once (rule X13).
type input[B any] struct{ Body B }

// Resolve runs the check of the body.
func (in *input[B]) Resolve(ctx huma.Context) []error {
	body, ok := any(&in.Body).(checked)
	st := stateOf(ctx.Context())
	if !ok || st.call == nil {
		return nil
	}
	var c fault.Check
	body.check(&c, st.call.api.in.Lookup(), st)
	err := c.Err("the request is not valid")
	if err == nil || st.answeredMeanwhile() {
		return nil
	}
	var errs []error
	for _, f := range fault.From(err).Fields {
		errs = append(errs, &huma.ErrorDetail{Location: locate("body", f.Name), Message: f.Message})
	}
	return errs
}

// answeredMeanwhile reports whether another replica answered this very request
// since it came in: then what looks like a clash is the request's own deed, and
// intake finds the answer.
func (st *state) answeredMeanwhile() bool {
	if st.once == nil {
		return false
	}
	_, _, found, err := st.call.api.in.Recall(st.once)
	return found && err == nil
}

// withBody registers a route whose requests have a body of type B; a pointer type
// makes the body optional.
func withBody[B any](a *API, name string, d about, f func(c *call, body *B) (reply, error)) {
	op := a.operation(name, d)
	huma.Register(a.huma, op, func(ctx context.Context, in *input[B]) (*huma.StreamResponse, error) {
		return finish(ctx, func(c *call) (reply, error) { return f(c, &in.Body) })
	})
}

// without registers a route whose requests have no body that huma reads.
func without(a *API, name string, d about, f func(c *call) (reply, error)) {
	op := a.operation(name, d)
	huma.Register(a.huma, op, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		return finish(ctx, f)
	})
}

// finish runs a route and answers.
func finish(ctx context.Context, f func(c *call) (reply, error)) (*huma.StreamResponse, error) {
	c := stateOf(ctx).call
	out, err := f(c)
	return &huma.StreamResponse{Body: func(huma.Context) {
		switch {
		case err != nil:
			c.fail(err, "body")
		case out.stream != nil:
			out.stream()
		default:
			c.send(out)
		}
	}}, nil
}

// operation is the OpenAPI side of a route. A route that is not in the table of
// permissions is a mistake of this package.
func (a *API) operation(name string, d about) huma.Operation {
	perm, known := permissions[name]
	if !known {
		panic("api: route " + name + " has no permission")
	}
	method, path := split(name)
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: path, Summary: d.summary,
		Description: strings.TrimSpace(d.detail + "\n\nPermission: `" + string(perm) + "`."), Tags: []string{d.tag},
		DefaultStatus: cmpOr(d.status, http.StatusOK), MaxBodyBytes: maxBody + 1, Parameters: d.params,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}
	if strings.Contains(path, "{id}") {
		op.Errors = append(op.Errors, http.StatusNotFound)
		op.Parameters = append(op.Parameters, &huma.Param{Name: "id", In: "path", Required: true, Schema: text0, Description: idDoc(path)})
	}
	if perm != "public" {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if d.edits {
		op.Errors = append(op.Errors, http.StatusPreconditionFailed, http.StatusPreconditionRequired)
		op.Parameters = append(op.Parameters, &huma.Param{Name: "If-Match", In: "header", Required: true, Schema: text0, Description: "ETag of the record as it was read; * for any."})
	}
	if d.creates {
		op.Errors = append(op.Errors, http.StatusConflict)
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header", Schema: text0, Description: "The same key and body answers the same result for 24 hours."})
	}
	a.documentAnswer(&op, d)
	return op
}

var text0 = &huma.Schema{Type: huma.TypeString}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

func idDoc(path string) string {
	if strings.HasPrefix(path, "/v1/servers/") {
		return "Id of the server, or its name where no other server has it."
	}
	return "Id of the record."
}

func (a *API) documentAnswer(op *huma.Operation, d about) {
	r := &huma.Response{Description: http.StatusText(op.DefaultStatus)}
	if d.answer != nil {
		t := reflect.TypeOf(d.answer)
		name := t.Name()
		if named, ok := d.answer.(namedType); ok {
			t, name = named.Type, named.name
		}
		r.Content = map[string]*huma.MediaType{
			"application/json": {Schema: a.huma.OpenAPI().Components.Schemas.Schema(t, true, name)},
		}
	}
	op.Responses = map[string]*huma.Response{fmt.Sprint(op.DefaultStatus): r}
}

// operationID is the name of the operation for generated clients: "list-servers",
// "get-server", "create-order", "cancel-order".
func operationID(method, path string) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(path, "/"), "v1/"), "/")
	noun, rest := parts[0], parts[1:]
	verb := map[string]string{"GET": "list", "POST": "create", "PUT": "set", "PATCH": "edit", "DELETE": "delete"}[method]
	if len(rest) == 0 {
		if _, collection := reading[noun]; !collection {
			return strings.ReplaceAll(strings.ToLower(map[string]string{"GET": "get", "POST": "do"}[method])+"-"+noun, ".", "-")
		}
		if method == http.MethodPost {
			return verb + "-" + singular(noun)
		}
		return verb + "-" + noun
	}
	one := singular(noun)
	if rest[0] != "{id}" {
		return rest[0] + "-" + noun
	}
	if len(rest) == 1 {
		if method == http.MethodGet {
			verb = "get"
		}
		return verb + "-" + one
	}
	action := strings.Join(rest[1:], "-")
	switch method {
	case http.MethodPost:
		return action + "-" + one
	case http.MethodGet:
		return "get-" + one + "-" + action
	}
	return verb + "-" + one + "-" + action
}
