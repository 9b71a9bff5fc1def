// Package simulate runs many agents in one process, for demonstrations, load and fault
// tests. A simulated agent is a real one in all but its hands: the same link, journal, executor, erase,
// install and diagnostics, over a machine in memory (driver/fake) whose hardware profile.Generate
// invents. It says so: environment and inventory are marked as simulated.
//
// Thousands are cheap: an idle agent is its link and a few small values; machine and disks are made with the
// first command, and at most [heavy] commands are worked on at once. The identities are kept in a
// directory when there is one, so that a fleet comes back as itself; disks and journals live in
// memory, as in the RAM environment, and are empty after a restart of the process; every machine is on again then.
//
// Each machine has a switch. Whoever may open the control socket ([Options].Control, package simulated) turns it on, cuts its
// power or lets it shut down, and its agent can do so itself. A machine that is off has no session and does nothing. A cut says no goodbye; what was
// in work goes on by the journal after the next start, under a new boot id. Whatever a machine is started
// from, the network or the disk that an image was written to, its agent stays in the environment "simulated" and may erase and install: there is
// no second system on a disk in memory that could be run instead.
//
// Overwriting a simulated disk takes seconds, whatever its size; everything else has the
// speed of its kind.
//
// Accounts and ports use something: figures that grow evenly from when they were first seen, and begin anew with the process. Ports are told of in fleets of up to [portsUpTo] servers.
//
// [Faults] give shares of the fleet that misbehave, always the same servers for one seed:
// slow ones, ones whose connection breaks every minute or so, ones with a dying disk, and ones
// that die in the middle of their first installation and come back with another boot id.
package simulate
