// Package bmc reads what every management controller tells alike, over the network or from inside the machine: the numbers
// of its sensors. Sections and tables are those of the IPMI specification 2.0, revision 1.1. The records are decoded by
// go-ipmi, whose panics over malformed bytes become errors here.
package bmc
