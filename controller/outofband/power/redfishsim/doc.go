// Package redfishsim is a Redfish service (DMTF DSP0266) for machines that are not
// there: many systems in one service, each tied to a [machine.Machine]. Tests use it beside
// real service trees, and `steelyard dev` for its fleet; it says in its manufacturer and service root
// that it is simulated.
//
// It is strict where real ones are: sessions and basic authentication, ETags, allowable values,
// refusals with extended information, power changes that take as long as the machine takes, a
// boot override that is spent when the machine starts. redfishtool and sushy work with it,
// and a test runs both. It keeps nothing on disk and starts no goroutine of its own.
package redfishsim
