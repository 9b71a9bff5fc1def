package gateway

import "sync"

// table holds the one session of each server. The zero value is ready.
type table struct {
	mu     sync.RWMutex
	agents map[string]*agent
}

func (t *table) get(server string) *agent {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.agents[server]
}

func (t *table) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.agents)
}

func (t *table) all() []*agent {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*agent, 0, len(t.agents))
	for _, a := range t.agents {
		list = append(list, a)
	}
	return list
}

// enter makes a the session of its server and returns the one that it replaces. If
// the two are different machines (rule X1) neither is left in the table and
// conflict says why.
func (t *table) enter(a *agent) (old *agent, conflict string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old = t.agents[a.server]; old != nil {
		if conflict = clash(old, a); conflict != "" {
			delete(t.agents, a.server)
			return old, conflict
		}
		a.bootBefore = old.bootBefore
		if old.boot != a.boot {
			a.bootBefore = old.boot
		}
	}
	if t.agents == nil {
		t.agents = map[string]*agent{}
	}
	t.agents[a.server] = a
	return old, ""
}

// clash says why two sessions of one server cannot be one machine, or "".
func clash(old, a *agent) string {
	if old.instance != a.instance && a.only {
		return "" // a new boot or an installed system took the old one's place, which has not noticed that it is gone
	}
	if old.instance != a.instance {
		return "two agents with different instances are connected as this server, from " + old.remote + " and " + a.remote
	}
	if a.boot != "" && a.boot == old.bootBefore && a.boot != old.boot {
		return "two machines with copies of one agent are connected as this server, from " + old.remote + " and " + a.remote
	}
	return ""
}

// leave takes a out, unless another session replaced it.
func (t *table) leave(a *agent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agents[a.server] == a {
		delete(t.agents, a.server)
	}
}
