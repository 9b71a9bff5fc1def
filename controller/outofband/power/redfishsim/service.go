package redfishsim

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
)

// Vendor is what service root and systems call themselves.
const Vendor = "Steelyard simulation"

// maxRequest is the largest body that is read.
const maxRequest = 64 << 10

// System is one machine of the service.
type System struct {
	ID           string // letters, digits, dash and dot
	Machine      machine.Machine
	Model        string
	SerialNumber string
	UUID         string
	MAC          string // of the management controller
	Firmware     string
}

// Service answers requests; it is an http.Handler. Serve it with TLS.
type Service struct {
	username string
	password [sha256.Size]byte

	mu       sync.Mutex
	order    []string
	systems  map[string]*system
	sessions sessions
}

// system is a machine with what the service remembers of it.
type system struct {
	System
	boot   boot
	events []event
}

type boot struct {
	Enabled string `json:"BootSourceOverrideEnabled"`
	Target  string `json:"BootSourceOverrideTarget"`
	Mode    string `json:"BootSourceOverrideMode"`
}

type event struct {
	ID      int
	At      time.Time
	Message string
}

// New is a service without systems and with one account.
func New(username, password string) *Service {
	return &Service{username: username, password: sha256.Sum256([]byte(password)), systems: map[string]*system{}}
}

// Add adds a system, or replaces the one with its id.
func (s *Service) Add(sys System) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.systems[sys.ID] == nil {
		s.order = append(s.order, sys.ID)
		slices.Sort(s.order)
	}
	s.systems[sys.ID] = &system{System: sys, boot: boot{Enabled: "Disabled", Target: "None", Mode: "UEFI"}}
}

// Remove takes a system away.
func (s *Service) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.systems, id)
	s.order = slices.DeleteFunc(s.order, func(x string) bool { return x == id })
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("OData-Version", "4.0")
	w.Header().Set("Cache-Control", "no-cache")
	path := strings.TrimSuffix(r.URL.Path, "/")
	if public(r.Method, path) || s.authorised(r) {
		s.route(w, r, path)
		return
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Redfish"`)
	refuse(w, http.StatusUnauthorized, "NoValidSession", "There is no valid session established with the implementation.")
}

// public are the resources that DSP0266 (13.2) leaves open.
func public(method, path string) bool {
	reading := method == http.MethodGet || method == http.MethodHead
	return reading && (path == "/redfish" || path == root) || method == http.MethodPost && path == sessionsPath
}

func (s *Service) authorised(r *http.Request) bool {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return s.sessions.touch(token, time.Now())
	}
	name, password, ok := r.BasicAuth()
	return ok && s.known(name, password)
}

func (s *Service) known(name, password string) bool {
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(sum[:], s.password[:]) == 1 && name == s.username
}

const root = "/redfish/v1"

// route finds the resource of a path.
func (s *Service) route(w http.ResponseWriter, r *http.Request, path string) {
	if path == "/redfish" {
		s.show(w, r, object{"v1": root + "/"})
		return
	}
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		missing(w, path)
		return
	}
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "":
		s.show(w, r, s.rootResource())
	case parts[0] == "SessionService":
		s.sessionService(w, r, parts[1:])
	case len(parts) == 1 && (parts[0] == "Systems" || parts[0] == "Chassis" || parts[0] == "Managers"):
		s.show(w, r, s.collection(parts[0]))
	case len(parts) > 1 && s.systems[parts[1]] != nil:
		s.part(w, r, s.systems[parts[1]], parts[0], strings.Join(parts[2:], "/"))
	default:
		missing(w, path)
	}
}

// object is a resource.
type object map[string]any

func link(path string) object { return object{"@odata.id": path} }

// show answers GET with a resource, and everything else with a refusal.
func (s *Service) show(w http.ResponseWriter, r *http.Request, o object) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "OperationNotAllowed", "The HTTP method is not allowed on this resource.")
		return
	}
	tag := etag(o)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", tag)
	write(w, http.StatusOK, o)
}

// etag is a strong tag of the content.
func etag(o object) string {
	raw, _ := json.Marshal(o) // of maps and strings
	sum := sha256.Sum256(raw)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

func write(w http.ResponseWriter, status int, o object) {
	raw, _ := json.Marshal(o)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// refuse is an error response (DSP0266, 8.6).
func refuse(w http.ResponseWriter, status int, id, message string) {
	severity := "Warning"
	if status >= 500 || status == http.StatusNotFound {
		severity = "Critical"
	}
	write(w, status, object{"error": object{
		"code": "Base.1.13." + id, "message": message,
		"@Message.ExtendedInfo": []object{{
			"@odata.type": "#Message.v1_1_2.Message", "MessageId": "Base.1.13." + id, "Message": message,
			"MessageSeverity": severity, "Resolution": "None.",
		}},
	}})
}

func missing(w http.ResponseWriter, path string) {
	refuse(w, http.StatusNotFound, "ResourceMissingAtURI", fmt.Sprintf("The resource at the URI '%s' was not found.", path))
}

// decode reads a body that is a JSON object; it answers the request itself when it is none.
func decode(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, bool) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	var body map[string]json.RawMessage
	if err != nil || len(raw) > maxRequest || json.NewDecoder(bytes.NewReader(raw)).Decode(&body) != nil {
		refuse(w, http.StatusBadRequest, "MalformedJSON", "The request body submitted was malformed JSON and could not be parsed by the receiving service.")
		return nil, false
	}
	return body, true
}

func (s *Service) rootResource() object {
	return object{
		"@odata.id": root + "/", "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
		"Id": "RootService", "Name": "Root Service", "RedfishVersion": "1.17.0", "Vendor": Vendor, "Product": Vendor,
		"UUID":    "5354454c-5941-5244-8000-73696d756c61",
		"Systems": link(root + "/Systems"), "Chassis": link(root + "/Chassis"), "Managers": link(root + "/Managers"),
		"SessionService": link(root + "/SessionService"),
		"Links":          object{"Sessions": link(sessionsPath)},
	}
}

func (s *Service) collection(kind string) object {
	types := map[string]string{"Systems": "ComputerSystem", "Chassis": "Chassis", "Managers": "Manager"}
	members := []object{}
	for _, id := range s.order {
		members = append(members, link(root+"/"+kind+"/"+id))
	}
	return listOf(root+"/"+kind, types[kind], members)
}

// listOf is a collection resource.
func listOf(path, kind string, members []object) object {
	return object{
		"@odata.id": path, "@odata.type": "#" + kind + "Collection." + kind + "Collection", "Name": kind + " Collection",
		"Members": members, "Members@odata.count": len(members),
	}
}
