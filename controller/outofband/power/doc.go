// Package power switches servers by their management controllers: IPMI 2.0, Redfish
// and, for machines that have neither, Wake-on-LAN.
//
// [Open] logs in, the [Controller] is used by one goroutine, Close logs out; nothing
// is stored and nothing runs in between, so a controller that is not open costs nothing.
// On, SoftOff and HardOff are only accepted by the machine; [TurnOn] and [TurnOff] wait
// until it is true. Both are no-ops when it already is, so they may be repeated after
// any crash.
//
// What a management controller says is believed as little as possible: every read has a
// deadline and a limit, links are followed on the same host only, a boot
// device is read back, and a power change counts only when the controller reports it. Credentials
// travel over nothing that was not verified: Redfish needs a certificate that the roots or
// a person accepted, IPMI a suite that proves the password and encrypts.
//
// Errors are faults: unavailable (away, busy, did nothing: worth a retry), refused
// (credentials, certificate, weak suites, not offered), invalid (the target makes no sense).
// The package never logs and no error holds a password.
package power
