// Package assemble builds the RAM environment: Debian's kernel, and an archive with its drivers, our init, the
// agent, smartctl and busybox. There is no distribution in it, no password, and a shell only for who is let in by the controller.
//
// Equal inputs (kernel package, sources, version, smartctl and busybox of the building machine) give equal bytes; the manifest tells
// all of them, so that two builds can be compared.
package assemble
