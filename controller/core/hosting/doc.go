// Package hosting owns what customers have on servers: accounts, forwardings, mailboxes and databases, each a placement on one server. Pure.
package hosting
