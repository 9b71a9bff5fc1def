// Package install starts machines from disks that an agent has written and configured: the example image, by BIOS and by UEFI, until its
// own agent is connected.
package install
