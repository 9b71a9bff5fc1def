// Package site is the part of a hosting node that serves web sites: nginx, with PHP by PHP-FPM where the node has it.
//
// What it owns: one file of server blocks and one of a PHP pool for each account, the two files by which nginx and PHP-FPM include them, the directories of an account's
// logs and of its subdomains, the file for logrotate. Debian's own configuration stays the operator's. It never starts or stops a daemon, and it never reads or writes what a customer
// has, but for one page in a directory that is empty when the account is made. The directory of a
// subdomain that an account has no more is left.
//
// # Files
//
//	NginxInclude              includes the following two; /etc/nginx/conf.d/steelyard.conf
//	State/nginx/*.conf        log format, parameters of PHP, generation
//	State/nginx/sites/U.conf  server blocks of the account whose user is U
//	State/php/*.conf          generation; included by steelyard.conf in pool.d of PHP-FPM
//	State/php/pools/U.conf    pool of the account
//	State/*/next, */test.conf what is tested before it takes its place
//	State/*/unsettled         is there while a daemon may have loaded something else than what is written
//
// Certificates will belong into State/nginx/certificates, and "listen … ssl" beside the other listen lines of [block.open].
//
// # Order and crashes
//
// Ensure writes no configuration: it remembers what shall be written. Settle lets the daemon test the changed files by themselves (a test of all would cost more with each
// account), gives those up that do not pass and names their accounts, marks the directory unsettled, renames the others into place, and asks the daemon to reload. It
// waits until the daemon is seen to serve the new files: each reload has a generation, a random text that nginx answers under a name that no customer can have, and that is the name of
// a socket of PHP-FPM. nginx keeps what it had when it does not like the new files; then the former files are put back. PHP-FPM ends then, so all its files
// are tested before. Whatever the agent was doing when it was killed: after Ensure of the same documents and Settle the files are the same, and a mark that is left leads to a reload.
//
// # Who may see what
//
// nginx reads as its own user, in whose group the document roots are; nothing of a home is open to others. A symbolic link is followed only to what belongs to
// the owner of the link, so a customer can show only what is his. Names that begin with a dot are not served, and no source text of PHP. Each pool runs
// as its customer, and only nginx can connect to it. A script of one account reads nothing of another because the kernel says so; open_basedir and a check of
// permissions in the cache of compiled scripts, which all pools share, say it again.
//
// # Access log
//
// Logs/U/access.log has one line for each answered request of all sites of the account, for people's tools in the usual "combined" format, followed by what is counted:
//
//	addr - user [time] "request" status body "referer" "agent" msec "host" in out "completed"
//
// msec is when the answer was over, in seconds with three digits; host is the name that was asked for, in small letters; in and out are all bytes of request and
// answer, headers included, as far as they were received and handed to the kernel; completed is "OK", or "" when the answer was cut short. The five stand at the end
// of the line and contain neither spaces nor quotes; in everything that a visitor sends nginx writes quotes and control characters as \xXX. So a line is read from
// its end. A line is written when the answer is over, and at once. What nobody's name was asked for is in no account's log.
//
// Logs are rotated by logrotate by renaming, and nginx reloads: its workers may not enter Logs/U, so they cannot open files again by themselves.
package site
