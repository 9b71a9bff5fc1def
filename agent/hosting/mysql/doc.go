// Package mysql gives hosted accounts their databases in MariaDB, over its socket, as root.
//
// It owns: one database user USER@localhost per account, its rights, the databases that are named after it (USER_…), and a file for each such account below
// State/mysql that says whose the database user is. It never touches a database user or a database of which no such file says that it belongs to a hosted account,
// and never logs in to serve a customer.
//
// # What a customer may
//
// Everything inside the databases that the document names, and nothing else: no rights on all databases, no FILE, no GRANT, no events (they would go on
// running for who is suspended). An underscore in a grant stands for any letter, so it is written with a backslash: else the user "bob" with bob_a_b could read bobx_b's
// "bobxa_b". User names hold no underscore, so the databases of two accounts have different prefixes. Names that the server gives a meaning are refused (mysql, root, and
// "performance", whose database performance_schema would be).
//
// Over the limit (rule P18) the rights shrink to reading and deleting: SELECT, DELETE, DROP (with it TRUNCATE), LOCK TABLES, SHOW VIEW. DELETE gives the room back
// to the table, not to the disk: what measures databases should not count data_free, or the owner empties tables with TRUNCATE. A trigger that writes on
// DELETE fails then; DROP and TRUNCATE do not run triggers.
//
// Rights of an open session outlive the change of a grant, so whenever rights shrink, the password changes or the account is locked, the sessions of the user
// are ended, and it is waited (a bounded time) until they are.
//
// # What is removed
//
// The document is the truth about rights: a database that it does not name is closed. It is the truth about data only where it says so: DatabasesGone names what is
// erased, Remove erases all (rule X5).
//
// # Passwords
//
// The document holds a digest (mysql_native_password). Statements that carry it run in sessions that write to neither the general log nor the slow log (sql_log_off,
// slow_query_log). The binary log, where it is on, holds them as it must, or a restored server would have other users: it is readable by the server
// alone, as are the tables in which the server keeps the same digests.
//
// # Order, repetition, cost
//
// Each call reads what is, does what is missing, and reads again. The file that claims the name is written before the database user is made and removed after everything else is
// gone, so a crash at any point leaves what the next call completes. Between two Settle the server is asked once for all accounts, after the first few that were asked for one by
// one: an unchanged account of 5,000 costs a look into a map, and a changed one alone costs a few small queries, however many others there are. Settle has nothing to reload.
//
// MariaDB from 10.4 on is known (its accounts can be locked); MySQL keeps its users in another way and is refused in words.
package mysql
