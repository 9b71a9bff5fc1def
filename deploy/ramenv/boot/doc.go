// Package boot is what the first process of a machine has to do before anything else: mount the kernel's file
// systems, load drivers, reap what ends, switch the machine off. The RAM environment's /init and the one
// that tests use in virtual machines share it.
//
// The functions are for process 1 of a machine of its own and change it as a whole; nothing here
// belongs into any other program.
package boot
