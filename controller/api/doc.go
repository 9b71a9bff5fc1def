// Package api is the HTTP door of the controller: it decodes a request, hands a
// wish to intake or looks at what it shows, and encodes the answer. It decides
// nothing, and never talks to an agent or to etcd itself.
//
// # What it promises
//
//   - One table says which permission each route needs ([access.Permission]); a
//     route without one cannot be registered. What a narrowed role may not see is
//     answered like what does not exist (rule X7).
//   - Lists and single records are answered from a board in memory that follows
//     the store (rule X11). The JSON of each record is kept beside it, so a list
//     copies bytes. While etcd is away reads go on, with X-Steelyard-Stale-Since,
//     and writes are 503 with Retry-After.
//   - Who wrote reads what was written: an answer waits until the board shows the
//     commit.
//   - Every refusal is a problem document (RFC 9457) that names all wrong fields
//     at once (rule X13): huma checks the shape against the schema, the drafts of
//     intake check the rest, and both are told together.
//   - A creating request with an Idempotency-Key is done once (rule X10); the
//     answer is stored in the commit of what it created. A secret in it is sealed
//     with the caller's own token, which is stored nowhere (rule X9).
//   - An ETag is the store's revision of the record; what a server shows beside
//     its record stands behind a hyphen. A change needs If-Match: 428 without it,
//     412 when somebody was faster.
//   - /v1/events tells changes in order and resumes from Last-Event-ID; whole
//     commits only, and only what the caller may read. A client that is too slow
//     is dropped, one that comes back too late is told to read everything again.
//   - Nothing that a client sends ends the process or waits for ever: bodies,
//     headers, pages, cursors, event streams and logins are bounded, bodies and
//     answers have deadlines.
//
// [New] builds the handler and starts nothing; [API.Run] feeds the board until its
// context ends. The OpenAPI 3.1 document is generated from the Go types at start
// and served at /v1/openapi.json; openapi.json beside this file is its copy for
// people and generators, and a test keeps it current.
package api
