package redfishsim

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const sessionsPath = root + "/SessionService/Sessions"

// Bounds of the sessions. Real services have a dozen for a dozen of clients; this one carries a fleet.
const (
	maxSessions = 512
	idle        = 10 * time.Minute
)

// session is one login.
type session struct {
	id, token, user string
	used            time.Time
}

// sessions are those that are open, oldest first.
type sessions struct {
	last int
	open []session
}

// touch reports whether the token is good, and keeps it so.
func (s *sessions) touch(token string, now time.Time) bool {
	s.open = slices.DeleteFunc(s.open, func(x session) bool { return now.Sub(x.used) > idle })
	for i := range s.open {
		if s.open[i].token == token {
			s.open[i].used = now
			return true
		}
	}
	return false
}

// add opens a session, at the cost of the oldest when there are too many.
func (s *sessions) add(user string, now time.Time) session {
	s.last++
	if len(s.open) == maxSessions {
		s.open = slices.Delete(s.open, 0, 1)
	}
	x := session{id: strconv.Itoa(s.last), token: rand.Text(), user: user, used: now}
	s.open = append(s.open, x)
	return x
}

func (s *sessions) find(id string) int {
	return slices.IndexFunc(s.open, func(x session) bool { return x.id == id })
}

// Sessions is the number of open sessions.
func (s *Service) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions.open)
}

// Forget ends all sessions, as a restart of a management controller does.
func (s *Service) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.open = nil
}

func (s *Service) sessionService(w http.ResponseWriter, r *http.Request, parts []string) {
	switch {
	case len(parts) == 0:
		s.show(w, r, object{
			"@odata.id": root + "/SessionService", "@odata.type": "#SessionService.v1_1_9.SessionService", "Id": "SessionService",
			"Name": "Session Service", "ServiceEnabled": true, "SessionTimeout": int(idle.Seconds()), "Sessions": link(sessionsPath),
			"Status": object{"State": "Enabled", "Health": "OK"},
		})
	case parts[0] != "Sessions" || len(parts) > 2:
		missing(w, r.URL.Path)
	case len(parts) == 1 && r.Method == http.MethodPost:
		s.logIn(w, r)
	case len(parts) == 1:
		members := []object{}
		for _, x := range s.sessions.open {
			members = append(members, link(sessionsPath+"/"+x.id))
		}
		s.show(w, r, listOf(sessionsPath, "Session", members))
	default:
		s.oneSession(w, r, parts[1])
	}
}

func (s *Service) logIn(w http.ResponseWriter, r *http.Request) {
	body, ok := decode(w, r)
	if !ok {
		return
	}
	var name, password string
	if json.Unmarshal(body["UserName"], &name) != nil || json.Unmarshal(body["Password"], &password) != nil || len(body) != 2 {
		refuse(w, http.StatusBadRequest, "CreateFailedMissingReqProperties", "A session needs the properties UserName and Password, and no others.")
		return
	}
	if !s.known(name, password) {
		refuse(w, http.StatusUnauthorized, "ResourceAtUriUnauthorized", "The attempt to log in was denied: invalid username or password.")
		return
	}
	x := s.sessions.add(name, time.Now())
	w.Header().Set("X-Auth-Token", x.token)
	w.Header().Set("Location", sessionsPath+"/"+x.id)
	write(w, http.StatusCreated, x.resource())
}

func (s *Service) oneSession(w http.ResponseWriter, r *http.Request, id string) {
	i := s.sessions.find(id)
	switch {
	case i < 0:
		missing(w, r.URL.Path)
	case r.Method == http.MethodDelete:
		s.sessions.open = slices.Delete(s.sessions.open, i, i+1)
		w.WriteHeader(http.StatusNoContent)
	default:
		s.show(w, r, s.sessions.open[i].resource())
	}
}

func (x session) resource() object {
	return object{
		"@odata.id": sessionsPath + "/" + x.id, "@odata.type": "#Session.v1_7_0.Session", "Id": x.id, "Name": "User Session", "UserName": x.user,
	}
}
