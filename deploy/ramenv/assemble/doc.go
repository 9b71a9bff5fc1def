// Package assemble builds the RAM environment: Debian's kernel, and an archive with its drivers, our init, the
// agent and smartctl. There is no distribution in it, no shell, no password.
//
// Equal inputs (kernel package, sources, version, smartctl of the building machine) give equal bytes; the manifest tells
// all of them, so that two builds can be compared.
package assemble
