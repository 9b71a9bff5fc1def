// Package metrics shows the process and the fleet to Prometheus (rule U10, the
// fleet's level). Every name is in names.go and is documented in docs/metrics.md.
//
// It owns one registry of its own, never the global one. Events (a request, a
// match, the end of an operation) are told by calling a method of [Metrics];
// standing figures (servers, sessions, tasks, the size of the database) are asked
// for at each scrape through the functions of [Options], which answer from memory:
// no scrape contacts a server (rule X11).
//
// What each server and each account has is another level, with paths of their own ([Servers], [Accounts], names in seriesnames.go): millions of series, which package
// series writes without a registry, each replica those whose agents it holds ([Discovery] names all replicas).
//
// In the registry no series carries the id of a server, an order or a person, so the number of
// series does not grow with the fleet. Label values that come from elsewhere are
// cleaned and capped at [MaxValues] a metric; what is beyond is counted as "other".
//
// Methods never block and are safe for concurrent use. A function of Options that
// is nil leaves out its metrics; one that reports an error leaves out its figures
// and sets its "up" metric to 0, so that an absent figure is never read as zero.
package metrics
