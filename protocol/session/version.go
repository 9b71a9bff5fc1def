package session

import "github.com/steelyard/steelyard/protocol"

// Negotiate picks the highest version that both sides speak.
func Negotiate(h protocol.Hello) (int, error) {
	v := min(h.VersionMax, protocol.VersionMax)
	if v < h.VersionMin || v < protocol.VersionMin {
		return 0, Bad(ReasonVersion, "agent %q speaks versions %d to %d of the protocol, this controller %d to %d; update the older of the two",
			short(h.AgentVersion), h.VersionMin, h.VersionMax, protocol.VersionMin, protocol.VersionMax)
	}
	return v, nil
}

func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
