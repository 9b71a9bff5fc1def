// Package ports counts what goes through the physical ports of a machine, from the kernel's counters (rule U5).
//
// A port is known by its permanent address, so that it stays one when its name changes. Bridges, bonds, tunnels and virtual functions are not counted: their traffic goes through a
// port that is; neither are ports on USB, behind which a BMC is.
//
// The kernel's counters begin anew with the machine, and with a driver that is loaded again; some drivers count to 2^32 only. [Book.Look] adds up differences: a counter that fell, of the
// same interface, from the upper half of 32 bits, has wrapped; any other fall is a new beginning, of which only what it shows is counted. What was lost is told as a
// gap, with its time, never made up: rather too little is counted than too much. What was there before the agent's first look ever is nobody's.
//
// Differences are spread evenly over the time since the look before, so that no quarter-hour has what went by in an hour without the agent. Quarter-hours of the running and
// the last month are kept: of these totals, days and the busiest quarter-hours are made for the months that the controller names.
//
// On the disk there is one small file with the kernel's counters and the quarter-hours of today, replaced as a whole once in [WriteEvery] and at a clean end, and one for each day before. The
// day's file is written first when the day is over, again if need be; so whatever dies in between, each byte stands in one place. An agent that dies in a running
// machine loses nothing, because the kernel goes on counting. A machine that dies loses what was since the last write, and that is a gap.
package ports
