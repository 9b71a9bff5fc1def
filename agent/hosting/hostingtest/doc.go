// Package hostingtest starts the daemons of a hosting node for tests, and looks at what they do as customers would.
//
// What it owns: worlds of a test's own ([Alone]), also with systemd ([Booted]), directories into which other users can look ([Dir]), daemons that a test starts and ends ([Start]), addresses that nobody else uses ([Port]), programs
// run as a customer ([As], [Customer]), pictures of a tree to compare ([Picture]). It never touches what a test did not make, and ends processes by the id that it started only.
//
// Each daemon runs in the foreground, in a process group of its own, and dies with the test's process. It is ready when its Ready says so, not after a while.
// A missing program is a skipped test, and a failed one where CI is set.
package hostingtest
