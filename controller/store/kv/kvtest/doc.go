// Package kvtest is the suite that every implementation of kv.KV passes: the
// promises of package kv, one test each. It runs against memkv, the embedded
// etcd and an external cluster.
package kvtest
