package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// editor registers PATCH of a record: a JSON merge patch (RFC 7396) of the draft D
// that made it. edit gets the expected revision and the function that applies it.
func editor[D any](a *API, table, summary string, view any,
	check func(d D, c *fault.Check, look intake.Lookup, self string),
	edit func(c *call, id string, rev int64, apply func(D) (D, error)) error,
) {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[D](), true, reflect.TypeFor[D]().Name())
	name := "PATCH /v1/" + table + "/{id}"
	a.patches[name] = a.optional(schema)
	without(a, name, about{
		summary: summary, tag: table, answer: view, edits: true,
		detail: "A JSON merge patch (RFC 7396): fields that are left out stay, null empties.",
	}, func(c *call) (reply, error) {
		r, err := a.find(c, table)
		if err != nil {
			return reply{}, err
		}
		rev, err := c.ifMatch()
		if err != nil {
			return reply{}, err
		}
		patch, err := c.mergePatch()
		if err != nil {
			return reply{}, err
		}
		apply := func(before D) (D, error) {
			return merge(a, before, patch, schema, func(d D, fc *fault.Check) { check(d, fc, a.in.Lookup(), r.id) })
		}
		if err := edit(c, r.id, rev, apply); err != nil {
			return reply{}, stale(err)
		}
		return a.shown(c, table, r.id)
	})
}

// shown answers the record as it is after a change.
func (a *API) shown(c *call, table, id string) (reply, error) {
	r, err := a.settle(c.ctx(), table, id)
	if err != nil {
		return reply{}, err
	}
	if r == nil {
		return reply{}, fault.NotFound("%s %s was deleted meanwhile", singular(table), id)
	}
	return c.replyOf(table, r), nil
}

// mergePatch is the body, which must be an object.
func (c *call) mergePatch() (map[string]any, error) {
	media, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(strings.ToLower(media)) {
	case "", "application/json", "application/merge-patch+json":
	default:
		return nil, newProblem(http.StatusUnsupportedMediaType, "send application/merge-patch+json")
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(c.state.body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, newProblem(http.StatusBadRequest, "the body is not JSON", ProblemField{Location: "body", Message: err.Error()})
	}
	if dec.More() {
		return nil, newProblem(http.StatusBadRequest, "there is more than one value in the body", ProblemField{Location: "body", Message: "is more than one JSON value"})
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, newProblem(http.StatusUnprocessableEntity, "the patch must be an object", ProblemField{Location: "body", Message: "expected object"})
	}
	return m, nil
}

// merge applies a patch to a draft and tells all that is wrong with the outcome.
func merge[D any](a *API, before D, patch map[string]any, schema *huma.Schema, check func(D, *fault.Check)) (after D, err error) {
	text, err := json.Marshal(before)
	if err != nil {
		return after, fault.Internal("write a draft: %w", err)
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return after, fault.Internal("read a draft: %w", err)
	}
	if text, err = json.Marshal(apply7396(whole, patch)); err != nil {
		return after, fault.Internal("write a draft: %w", err)
	}
	var merged any
	if err := json.Unmarshal(text, &merged); err != nil {
		return after, fault.Internal("read a draft: %w", err)
	}
	res := &huma.ValidateResult{}
	path := huma.NewPathBuffer([]byte{}, 0)
	path.Push("body")
	huma.Validate(a.huma.OpenAPI().Components.Schemas, schema, path, huma.ModeWriteToServer, merged, res)
	decodeErr := json.Unmarshal(text, &after)
	var c fault.Check
	check(after, &c) // the decoder goes on after a wrong type
	return after, allOf(res.Errors, decodeErr, c.Err("the change is not valid"))
}

// allOf puts the errors of schema, decoder and check into one.
func allOf(schema []error, decode, check error) error {
	if len(schema) == 0 && decode == nil {
		return check
	}
	if len(schema) == 0 {
		schema = []error{decode}
	}
	p := huma.NewError(http.StatusUnprocessableEntity, "validation failed", schema...).(*Problem)
	if check != nil {
		p.add(fieldsOf(check)...)
	}
	return p
}

// apply7396 is the algorithm of RFC 7396, section 2.
func apply7396(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			sub, _ := target[name].(map[string]any)
			target[name] = apply7396(sub, v)
		default:
			target[name] = value
		}
	}
	return target
}

// optional is a schema whose fields may all be left out.
func (a *API) optional(s *huma.Schema) *huma.Schema {
	whole := s
	if s.Ref != "" {
		whole = a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
	}
	part := *whole
	part.Required = nil
	return &part
}
