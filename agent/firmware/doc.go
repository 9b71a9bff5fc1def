// Package firmware reads and writes the variables by which UEFI firmware chooses what a machine starts (UEFI specification 2.10,
// chapter 3), as the kernel shows them in efivarfs: a file is four bytes of attributes and the value (kernel document
// filesystems/efivarfs).
//
// A machine with BIOS has none of this: [Open] fails there, and its owner's boot order is what counts.
package firmware
