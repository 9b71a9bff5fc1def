// Package cli is the command `steelyard`: it starts a controller (serve, dev) and
// asks one (server, order, task, …).
//
// The nouns are one table (nouns.go): what a list shows, what it can be filtered
// by, which fields can be set. What is particular to a noun is in its own file.
// Commands that ask go through [client]; none touches the store, except `state`,
// which reads it without a controller.
//
// Promises for programs: -o json prints what the API answered, byte for byte;
// errors go to standard error; the exit status is 0 when it was done, 1 when it
// was refused or failed, 2 when the command line was wrong. Output that is no
// terminal has no colours, no bars and tab-separated tables. Nothing is told by
// colour alone, and NO_COLOR is honoured.
//
// No flag takes a secret, because other users of the machine could read it:
// tokens come from STEELYARD_TOKEN, a file or `steelyard login`, passwords from a
// file or the terminal. A new token is printed once, when it is made (rule X9).
package cli
