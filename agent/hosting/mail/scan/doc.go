// Package scan looks for viruses in mail that arrives, for those recipients who want it: a milter for Postfix that asks clamd.
//
// It owns nothing but a socket: who wants it is asked with each recipient (a file that package mail makes or removes), so nothing is reloaded when that changes. It decides
// within the SMTP dialogue: an infected mail is refused (550) before the node has taken responsibility for it, so nobody gets a bounce for
// what a virus sent in his name. When some recipients of one mail want the scan and others do not, the infected mail is taken for the others only.
//
// When clamd does not answer, mail for who wants it scanned is put off (451), and senders come again. A node without scanner has no milter in Postfix's configuration,
// and delivers everything. A mail that is larger than clamd takes is delivered unscanned.
//
// [Server.Serve] blocks until its context ends. Each connection has deadlines, and memory for its header only: the body goes to clamd as it comes.
package scan
