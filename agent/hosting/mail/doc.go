// Package mail gives hosted accounts mailboxes and mailing lists with Postfix and Dovecot.
//
// It owns what is below State/mail (maps of Postfix, password files of Dovecot, whose domain is whose, what was applied) and the mail below Layout.Mail. It never
// writes the configuration of the daemons: [Preparation] says what it must hold, docs/nodes.md says it to the operator, Provide says what is missing.
//
// # How mail flows
//
// Postfix takes mail for domains that have a mailbox or a list here, and for no others: it relays for nobody but who logged in, with his own address as sender. It hands
// mail to Dovecot (LMTP), which keeps it as vmail, a user of its own, so that mail never fills the quota of a home. Whether a mailbox is full is asked of Dovecot while the
// sender waits, so that a full one refuses instead of bouncing. A real zero is a limit of one byte, for Dovecot takes 0 for
// none (rule X12), and an entry of its own in Postfix's map, for Dovecot does not refuse before it knows a size.
//
// Each mailbox has a small file for IMAP, one for everything else, and one for its limit. Without IMAP the first is not there, so IMAP refuses like for a wrong password. A suspended account has neither of the first two, its
// domains get 450 from the SMTP server, and mail from within waits in the queue.
//
// A list is expanded by local(8), not by a virtual alias: the envelope sender becomes LIST-owner@DOMAIN, so bounces do not go to the author, and Delivered-To ends loops
// of lists that contain each other. What LIST-owner gets goes to the list's Owner, or is discarded.
//
// Package scan is the virus scan: it asks for each recipient whether a file State/mail/scan/DOMAIN is there.
//
// # Why so
//
// One account of 5,000 changes at a cost that does not depend on the others, and no daemon is reloaded: Postfix's maps are lmdb, which takes single entries in a transaction while
// others read (hash files would be rebuilt, and torn by a crash); Dovecot has files for each mailbox, read when somebody logs in (its passwd-file would keep each domain's open, and look at a file once in a second). What is below the account's record and
// differs from the document is applied by Settle with one postmap for each map and batch.
//
// # Crashes
//
// The record of an account (State/mail/accounts/USER) says what was applied, and, from before the first change until after the last, what is on its way ("+") and what goes ("-"). Whatever dies in
// between, the next Ensure or Remove reads that and completes it. Lost maps are made again from the records.
//
// # Domains
//
// A domain belongs to the account that is first to have mail in it, until the mail below it is erased: nobody inherits the mail of a former owner of the domain.
// A mailbox that the document does not name is closed and kept; MailboxesGone and Remove erase (rule X5).
//
// # Who may read
//
// Maps are root:postfix, files with digests root:dovecot, 0640 in directories of 0750; mail is vmail's, 0700. Customers are none of these.
package mail
