// Package inspect finds what customers may have left on the running system of a machine: accounts and homes, sites of web servers,
// databases, mailboxes, jobs, and services that listen on the network. It reads and changes nothing; what it finds means is the
// controller's to say, which compares it with what was there before any customer (rule S9).
//
// Each subject is one file: a reader over small parsers. A reader that cannot look at something says so ([protocol.Subject].Unseen)
// instead of finding nothing there: what is not seen may be there. A program that is not installed has left nothing, and that is no
// reason to doubt; one whose files are there and cannot be read is.
//
// Everything that is read was written by others. Files, lists and texts have limits, links are followed only where the system itself does, and
// what customers wrote (command lines of jobs, passwords in maps) never leaves the machine: a job is named by its file and a digest.
package inspect
