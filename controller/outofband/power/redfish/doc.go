// Package redfish speaks HTTPS to a Redfish service (DMTF DSP0266, 1.20) as a
// careful client: certificate first, then credentials; limits and deadlines on
// everything; links on the same host only. What the resources mean is its user's business.
//
// A [Client] logs in once (a session, or basic authentication where the service has
// none) and is used by one goroutine at a time. It logs in again by itself when the service
// has forgotten the session, waits when it is busy and says for how long, and reads a
// resource again when it changed under a write. Errors are faults.
package redfish
