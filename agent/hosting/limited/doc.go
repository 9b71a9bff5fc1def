// Package limited is /bin/shell, the shell of hosted accounts that may use SSH with limits of processor time, memory and processes (rule C16).
//
// It is no shell of its own: it sets hard limits that nobody but root can raise, and becomes bash, with the same arguments. So it holds for a login, for "ssh host command", scp and sftp alike:
// sshd starts all of them by the user's shell. The agent is this program when it is started by the name "shell"; an operator offers it with a link, /bin/shell to the agent.
//
// What it never does: look at what is run. A user can start any program; they share the limits. The limit of processes counts all processes of the user, those of his sites too.
package limited
