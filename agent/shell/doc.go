// Package shell runs one shell on a terminal of its own (a pseudo terminal), for a person at the other end of a console. It
// knows nothing of networks, and decides nothing: who may have a shell is the controller's business, and that only an agent in
// memory gives one is the command line's.
//
// [Open] starts the shell in a session of the kernel's own. When the shell ends, or [Shell.Close] is called, every process of that
// session is killed; only what left the session by itself (setsid) stays. Reading ends with io.EOF when everything
// was read that the shell wrote, at the latest a second after its end.
//
// The terminal needs /dev/ptmx and a devpts at /dev/pts, which every Linux has; no library is used for it.
package shell
