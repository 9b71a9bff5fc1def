package fleet

import "github.com/steelyard/steelyard/protocol"

// Bond is what a system that is installed on the server makes of its interfaces; nil: it uses one.
func (s *Server) Bond() *protocol.Bond {
	if s.BondMode == "" {
		return nil
	}
	return &protocol.Bond{Mode: s.BondMode, Members: s.BondMembers}
}
