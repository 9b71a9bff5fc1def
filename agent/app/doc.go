// Package app puts the parts of an agent together: the collector and sampler as the link's
// source, the executor over the real machine, the journal and the identity in the state
// directory. It is what the command line starts; nothing else imports it.
//
// [Run] starts everything, blocks until its context ends and then stops in order: the link says
// goodbye, a command in work is interrupted without a result (the next start goes on with it), the
// journal is closed.
//
// In a sandbox the reported inventory is that of the real machine and the sandbox's disks; only
// those are ever erased or written.
package app
