// Package account owns what customers have on hosting nodes: accounts with their sites, mailboxes, FTP logins, lists and databases, and the
// forwards that lead to them (rules C9 to C19). It decides what may be in an account, how it is named, and what its node is told ([Document]).
//
// It is pure: it knows no clock, no store and no node. What an account may have comes in as values of package subscription; every change of an
// account is a function from one to the next, and says all that is wrong at once. At a limit growth stops; taking away always works (P18).
//
// Names. A user name belongs to one account of the whole fleet, never changes, and is held until nothing of the account is left (X15). The
// domain names of an account are its domain, www. in front of it, and its subdomains, which lie below its own domain. Below a domain that a
// customer has nobody else gets a name ([Below]): its cookies and its mail would be open to him. Below a domain of a reseller that is no
// customer's, his line may have names: so free names under his own domain are sold.
//
// It never holds a password, and no digest of one.
package account
