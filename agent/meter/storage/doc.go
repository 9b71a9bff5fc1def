// Package storage measures what accounts take of a node's disk, by class (rule C20): home, WWW, mail and databases, which do not overlap and add up to the total.
//
// What is whose is decided by the place and by nothing else: whoever owns a file in an account's tree, it is the account's.
//
//	WWW        Homes/USER/htdocs and Homes/USER/sub
//	Home       the rest of Homes/USER, its directory too
//	Mail       Mail/DOMAIN of each of its domains
//	Databases  the directories USER_… of the database server, each table's own files too; what the server keeps for all together is nobody's
//
// A figure is of allocated blocks, which is what a disk has less of: sparse files take what they take. A file with several names is counted where it is met first. Links are never
// followed, other file systems never entered, and nothing is opened but directories, each by its name in the one above, so that a customer who moves things about during a walk can
// lead it nowhere. Beyond [MaxLinks] names of such files an account's are counted by their share, and beyond [MaxDepth] nothing is; the customer chooses both, and
// neither may cost the node memory or descriptors.
//
// The kernel counts homes where quota is on, but not apart by class, and databases and mail have owners of their own. So its count says when there is something to walk: once
// in [LookEvery] it is read for all accounts, and homes whose count changed are walked, one after the other. Everything is walked in a slow round besides, for mail, for what moved from one class to
// another, and for file systems without quota. A round takes a two-thousandth of a core: its length follows from what the last one cost, between [RoundLeast] and [RoundMost]. A walk rests nine
// times as long as it works. Accounts at 90 % of their limit or above are looked at each [NearEvery]: what is deleted, or a limit that is raised, shows within seconds.
//
// What the kernel counts beyond a walk are files that are deleted and held open (or lie elsewhere on that file system); the sum is told as a figure of the node. Each
// figure has the time at which it was measured (rule U6). An account that is no longer on the node is told with zeros once.
package storage
