// Package rounds counts on a hosting node, round after round: it puts the meter, the book, the owners of names and the reporter together.
//
// Each [Every] the logs are read to their end; a node without visitors costs a few calls of the kernel. Before anything is done for accounts ([Rounds.Before]), their names are
// learned, so that no line of theirs is nobody's; before one is removed the logs are read once more and its figures told, ahead of the news that it is gone. Names
// change hands only after the logs were read for the one before.
//
// What cannot be read or written is told to the controller as a problem of the source, logged once, and tried again with the next round. Before waits for a round that is on its way.
package rounds
