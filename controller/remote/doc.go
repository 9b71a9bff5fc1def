// Package remote drives another operator's Steelyard controller through its public HTTP API,
// for modules of kind remote (rules B3, B6).
//
// A [Client] says single things to one backend: who are you, what would you give, take this order,
// how is it, stop it. [Remotes] has the clients of all remote modules, and on the leader
// follows each backend's stream of events, watches that it is still the fleet that the
// module was made for, and renews the token.
//
// What is to happen to an order there is not decided here but in reconcile, from records: a
// wish is in the store before it is told, and is told again until the backend says that it is
// so. So this package may lose any answer.
//
// # Promises
//
//   - Every request has a deadline, every answer a limit, and at most a few requests
//     are under way to one backend.
//   - The password is used once, to log in; kept is a token that may do no more than orders need,
//     sealed (rule X9). It makes its successor by itself long before it ends. It ends at
//     the backend with its user, or when his password is changed there: then the password has
//     to be given again here.
//   - TLS is verified, redirects are not followed, no proxy is asked, and private addresses are not
//     dialled unless the fleet's settings allow it.
//   - An answer of another fleet, or of another generation, is not believed: not even that
//     something is gone.
package remote
