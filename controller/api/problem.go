package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Problem is an answer that says no (RFC 9457), with every field that was wrong.
type Problem struct {
	Type   string         `json:"type" doc:"Stable name of the kind of problem." example:"urn:steelyard:problem:refused"`
	Title  string         `json:"title" doc:"The kind of problem in words."`
	Status int            `json:"status" doc:"HTTP status code."`
	Detail string         `json:"detail" doc:"What happened and what to do about it."`
	Errors []ProblemField `json:"errors,omitempty" doc:"All fields that were wrong, at once."`
}

// ProblemField names one wrong input.
type ProblemField struct {
	Location string `json:"location" doc:"Where it is in the request, for example body.diagtimeout or query.limit."`
	Message  string `json:"message" doc:"What is wrong with it."`
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// add names more fields. One that is named already has its reason: a text where a
// number belongs is not also too small.
func (p *Problem) add(fields ...ProblemField) {
	for _, f := range fields {
		known := func(o ProblemField) bool { return o.Location == f.Location && o.Location != "body" }
		if !slices.ContainsFunc(p.Errors, known) {
			p.Errors = append(p.Errors, f)
		}
	}
}

const problemType = "urn:steelyard:problem:"

// kindOfStatus names problems that huma or net/http find before ours do.
func kindOfStatus(status int) (kind, title string) {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return string(fault.KindInvalid), "The request is not valid"
	case http.StatusUnauthorized:
		return "login_required", "Who are you?"
	case http.StatusForbidden:
		return string(fault.KindDenied), "Not allowed"
	case http.StatusNotFound:
		return string(fault.KindNotFound), "Not found"
	case http.StatusConflict:
		return string(fault.KindRefused), "Refused"
	case http.StatusPreconditionFailed:
		return string(fault.KindConflict), "Changed meanwhile"
	case http.StatusPreconditionRequired:
		return "precondition_required", "If-Match is missing"
	case http.StatusRequestEntityTooLarge:
		return "too_large", "The request is too large"
	case http.StatusTooManyRequests:
		return "too_many_requests", "Too many requests"
	case http.StatusMisdirectedRequest:
		return "elsewhere", "Another replica can do it"
	case http.StatusServiceUnavailable:
		return string(fault.KindUnavailable), "Not available now"
	case http.StatusInternalServerError:
		return string(fault.KindInternal), "Our mistake"
	default:
		return "http_" + strconv.Itoa(status), http.StatusText(status)
	}
}

func newProblem(status int, detail string, fields ...ProblemField) *Problem {
	kind, title := kindOfStatus(status)
	return &Problem{Type: problemType + kind, Title: title, Status: status, Detail: detail, Errors: fields}
}

// titles of fault kinds; the kinds themselves name the type.
func problemOf(err error, area string) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	f := fault.From(err)
	status := f.Kind.HTTPStatus()
	_, title := kindOfStatus(status)
	if f.Kind == fault.KindConflict {
		title = "Changed meanwhile"
	}
	p = &Problem{Type: problemType + string(f.Kind), Title: title, Status: status, Detail: f.Message}
	if f.Kind == fault.KindInternal {
		p.Detail = "something went wrong in the controller; its log tells more under this request id"
		return p
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, ProblemField{Location: locate(area, field.Name), Message: field.Message})
	}
	return p
}

// locate prefixes a field with the part of the request that it is in, unless it
// says so itself.
func locate(area, name string) string {
	for _, own := range []string{"body", "query", "path", "header"} {
		if name == own || strings.HasPrefix(name, own+".") {
			return name
		}
	}
	return area + "." + name
}

// init gives huma our problems; it offers no other place than a variable.
func init() {
	huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
		p := newProblem(status, detail)
		for _, err := range errs {
			p.add(fieldsOf(err)...)
		}
		p.Errors = unread(status, p.Errors)
		if len(p.Errors) > 0 && detail == "validation failed" {
			p.Detail = p.Errors[0].Location + " " + p.Errors[0].Message
			if n := len(p.Errors) - 1; n > 0 {
				p.Detail += " (and " + strconv.Itoa(n) + " more)"
			}
		}
		return p
	}
	huma.DefaultArrayNullable = false
}

// unread leaves of a body that could not be read, or is no object, only that: to call
// its fields empty would be untrue.
func unread(status int, fields []ProblemField) []ProblemField {
	for _, f := range fields {
		kind, unknown := strings.CutPrefix(f.Message, "unknown content type: ")
		if unknown {
			f.Message = "is sent as " + kind + "; send JSON, with Content-Type: application/json"
		}
		if f.Location == "body" && (unknown || status == http.StatusBadRequest || f.Message == "expected object") {
			return []ProblemField{f}
		}
	}
	return fields
}

func fieldsOf(err error) []ProblemField {
	var detail *huma.ErrorDetail
	if errors.As(err, &detail) {
		return []ProblemField{{Location: detail.Location, Message: detail.Message}}
	}
	var f *fault.Fault
	if errors.As(err, &f) && len(f.Fields) > 0 {
		return problemOf(f, "body").Errors
	}
	if err == nil {
		return nil
	}
	return []ProblemField{{Location: "body", Message: err.Error()}}
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", retrySeconds)
	}
	w.WriteHeader(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		return // texts only: cannot happen
	}
	_, _ = w.Write(body) // the client is gone when this fails
}

// retrySeconds is what a client is told to wait while the store is away.
const retrySeconds = "5"
