// Package site is the part of a hosting node that serves web sites: nginx, with PHP by PHP-FPM where the node has it.
//
// What it owns: one server of nginx for all accounts with a table of their names, one PHP pool for each account, the two files by which nginx and PHP-FPM include them, the log of traffic, the
// directories of an account's logs and of its subdomains, the file for logrotate. Debian's own configuration stays the operator's. It never starts or stops a daemon, and it never reads or writes what a customer
// has, but for one page in a directory that is empty when the account is made. The directory of a
// subdomain that an account has no more is left.
//
// # Files
//
//	NginxInclude              includes the following two; /etc/nginx/conf.d/steelyard.conf
//	State/nginx/*.conf        the server of all accounts, generation
//	State/nginx/hosts/U.conf  what is under the names of the account whose user is U: lines of a map
//	State/nginx/names.list    all names, which make a request the server's; made from the former
//	State/php/*.conf          generation; included by steelyard.conf in pool.d of PHP-FPM
//	State/php/pools/U.conf    pool of the account
//	State/*/next, */test.conf what is tested before it takes its place
//	State/*/unsettled         is there while a daemon may have loaded something else than what is written
//
// A server for each account would cost nginx a third of a millisecond and more for each in every reload, 7 s for 5,000; with a table it is some hundredths of a second for all. Certificates
// will belong into State/nginx/certificates, found by name as the rest is.
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
// # Logs
//
// Logs/traffic.log is what traffic is counted by, one line for each answered request of any account; only root reads it:
//
//	user msec in out
//
// msec is when the answer was over, in seconds with three digits; in and out are all bytes of request and answer, headers included, as far as they were received and handed to the
// kernel. nginx's master opens it, so a line is lost with the disk only. What nobody's name was asked for is not in it.
//
// Logs/U/access.log is for the customer, in the usual "combined" format, followed by
//
//	msec "host" in out "completed"
//
// host is the name that was asked for, in small letters; completed is "OK", or "" when the answer was cut short. nginx's workers open it when somebody visits the site, so it costs an
// account without visitors nothing. In the moment of a rotation it may lack a line. Logs/U/error.log is the customer's own: what his scripts say.
//
// Logs are rotated by logrotate by renaming, and nginx reloads; workers look for their own files again within ten seconds.
package site
