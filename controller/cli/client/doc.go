// Package client speaks to a controller's HTTP API for the commands: it sends, it
// reads answers as the bytes they are, and it turns a refusal into a [Problem]
// that a person can act on.
//
// Promises: every request has a deadline, every answer a limit. The token goes to
// one origin only, and never in clear text over a network (rule X9): plain HTTP is
// accepted for loopback alone, and redirects are not followed. Creating requests
// carry an Idempotency-Key (rule X10), so a request whose answer was lost is sent
// again without doing its work twice; nothing else is repeated.
package client
