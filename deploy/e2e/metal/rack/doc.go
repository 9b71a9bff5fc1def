// Package rack is a network of its own for virtual machines: a namespace with a bridge, on which each machine has a
// port, and in which the controller, the DHCP server and the management controllers of a test run. Nothing of it is
// seen outside; it goes with the test. It needs root and iproute2.
package rack
