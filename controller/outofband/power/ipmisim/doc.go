// Package ipmisim runs OpenIPMI's ipmi_sim, a real IPMI 2.0 stack that somebody else wrote, as the management
// controller of a [machine.Machine]. It is a separate program (Debian: openipmi) and is never linked;
// [Installed] tells whether it is there.
//
// ipmi_sim asks about power and boot device by running a program: the chassis. [Chassis] is
// that program's whole work; it asks [Run] over a Unix socket and is a hidden command of whoever uses
// this package. ipmi_sim knows cipher suites 1 to 3 only, does not keep the boot mode nor whether a boot
// device is for once: it counts as for once here.
package ipmisim
