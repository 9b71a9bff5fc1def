// Package daemon speaks with the daemons of a hosting node by their own means: the pid file, signals, and programs that check a configuration.
//
// It never starts or stops one: that is the system's (systemd, or whatever the node has), and the operator's. What it signals was looked at
// first: a pid file may be older than the last start of the machine, and its number somebody else's by now.
package daemon
