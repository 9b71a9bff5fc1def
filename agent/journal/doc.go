// Package journal remembers what an agent was told to do and what came of it, so that
// a crash at any moment neither loses a command nor repeats a finished one.
//
// A command goes received → started → finished → acknowledged, and each of these is on the
// disk before the deed that follows it: nothing starts that was not recorded as received and
// started, and nothing is reported that was not recorded as finished. The same id always
// gives the same result. A command of an older epoch than the newest one seen is refused (rule
// X5), and a permit to erase serves one command only (rule B44).
//
// A deed that ends the process, such as switching the machine off, is promised before its result is recorded and settled
// when it was done; the promise names the boot of the machine, so that a start in a later boot knows that it happened.
//
// The file is append-only: one line per event, a CRC-32 and JSON, fsynced before the
// call returns. A torn last line is what a crash leaves and is dropped; damage anywhere
// else is an error that says so, because an agent that forgot what it did must not guess.
// When the file has grown past [compactAt] it is written anew with what still counts and renamed over the old one.
// An append-only file was chosen over an embedded database: a few events per order
// need no index, the whole of it can be read with less(1), and it costs an idle agent no memory map.
//
// Bounds: at most [KeepAcked] acknowledged results are kept, the oldest go first; results that
// nobody acknowledged yet are never dropped, but with [MaxOpen] of them new commands are refused.
//
// [InMemory] is the same journal without a file, for simulated agents and tests. All methods are safe
// for concurrent use.
package journal
