// Package execute does what commands say, one at a time. It is the [link.Executor] of every
// agent, real or simulated: it knows ids, epochs, deadlines and results, and nothing about disks; what
// a kind of command means is a [Deed].
//
// A command is journaled before anything is done, its start before the deed, its result before
// anybody hears of it. After a restart the commands without a result are done again, oldest
// first; deeds are written so that this is safe. Refused, with a journaled result: another server's command, an
// older epoch (rule X5), an unknown kind, a passed deadline. A newer epoch also interrupts what is in work. Until the first
// [Executor.Attach] has told which server this is, nothing is done.
//
// What ends this process, such as switching the machine off, cannot be done before its result is told: the deed leaves it for
// after the result ([Job.Then]), and says so in the journal, with the boot of the machine. It is done when the controller
// has the result, or [AckWithin] later, and never in another boot: then it has happened, or is none of that boot's business. Until the
// machine is down no other command starts.
//
// # Into the RAM environment
//
// A server without a management controller is led there by its own system. Its ways, the most certain first:
//
//   - The firmware starts from the network once (BootNext), where the controller knows that this firmware has done so before. It
//     resets every device, and where it fails the installed system comes back, and the controller hears of it.
//   - The running system starts the controller's kernel from memory (kexec), where it is not known. It asks nothing of firmware, boot order
//     or DHCP: the new kernel is told the address by which this system reached the controller a moment ago. What can be refused (a locked
//     down kernel, too little memory, a file that is another one) is found out before anything ends. But a device that does
//     not survive it leaves a server that only a person can start: that is why a firmware that is known to work comes first.
//   - BootNext, unproven, where the kernel refuses.
//   - A plain restart, by the machine's own boot order.
//
// After a start that led back into the installed system the controller asks again, and the other way comes first then. No way is certain against
// the system's own root, who can pretend each of them; see docs/power.md.
//
// A part of a deed that nothing can interrupt says so ([Job.Final]); who asks meanwhile to stop it is answered
// when it is over.
//
// A panic in a deed is an internal fault of that command; the agent goes on. [Executor.Close]
// interrupts the deed without a result, so that the next start goes on with it.
//
// An idle executor has no goroutine and no timer.
package execute
