// Package hosting carries customers' accounts on a node: it takes the controller's documents (protocol.HostedAccount), makes each of them true with the
// parts of the node (package part), again and again, and tells how far it is.
//
// It owns the journal of documents and results, the order of the parts, batches and back-off. It never decides what shall be, and never removes what no
// document says is to be gone (rule X5): an account that the controller does not name any more is told as a stranger, and left alone.
//
// # What it promises
//
//   - A document is on disk before anything is done for it. Whatever dies in between, the parts are asked again with the newest document, and all that they
//     do may be repeated. An older version than the node has is ignored.
//   - Accounts are converged independently: one that fails is tried again, later and later (5 s to 10 min), and keeps no other waiting.
//   - Parts are asked one after another, never at the same time. A batch of up to 100 accounts, or of a fifth of what waits, goes through a part before its daemon is reloaded, once.
//     What changed goes before what is looked at again: every account once in an hour, because people change machines by hand.
//   - A result is told until the controller says that it is stored; telling it again changes nothing. A document that is gone, done and told is
//     forgotten.
//   - An account whose removal leaves something behind stays in the journal, and its user name is not given again (rule X15).
//
// [New] reads the journal and starts nothing. [Node.Run] blocks until its context ends; its other methods may be called from any goroutine and do not wait for parts.
package hosting
