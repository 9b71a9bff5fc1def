// Package rescue lets the customer of a server in by SSH while the machine runs from memory, so that he can repair his own system. It
// gives the machine the addresses of the service, and root's shell to the holders of the keys that the controller names: no password, no
// other user, no forwarding, no file transfer but what a command does. The host key is made on the machine and lives as long as this boot.
//
// [Rescue.Admit] begins it and answers how to get in; [Rescue.Route] then leads everything through the service's gateway, which may be
// reached only when the ports of the machine were moved: so it comes after the controller has the answer. Both may be done again.
// What was asked for is kept in the state directory, so that an agent that is started again in the same boot lets the customer in again.
//
// [Rescue.Run] serves until its context ends, and waits for every process that it started. Bounds: 16 people at once, 32 who have not shown
// a key yet (one of them makes room, at random, so that strangers cannot shut the customer out), 8 shells each, half a minute to
// log in; a connection that does not answer for a minute is ended.
package rescue
