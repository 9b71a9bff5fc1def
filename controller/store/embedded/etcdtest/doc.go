// Package etcdtest starts real etcds for tests: [Single] inside the process
// without a listener, and [NewCluster], three members on loopback that talk mutual
// TLS with each other and with clients, of which one can be killed.
package etcdtest
