package order

import "github.com/steelyard/steelyard/controller/core/outofband"

// PowerWanted is the state that a service wants its server's power in, and the rule that says so; ""
// when it wants nothing (rules B28 to B30). A customer who switched his server off is respected (A17).
func PowerWanted(svc *Service) (state, rule string) {
	switch {
	case svc.State == ServiceActive && !svc.PowerOff:
		return outofband.On, "B28"
	case svc.State == ServiceStopped:
		return outofband.Off, "B29"
	}
	return "", ""
}
