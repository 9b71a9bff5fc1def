// Package build makes the example image: Debian 12 with a kernel for real machines, SSH and nothing that a server does not need, for
// BIOS and UEFI.
//
// It runs the distribution's own programs, mmdebstrap first of all, as root on the machine where it is called; nothing of it is
// part of a running controller. Both boot loaders read the kernel through the links /vmlinuz and /initrd.img, which Debian keeps on the
// newest kernel: an update needs no boot loader of ours. The EFI system partition is written without being mounted, so that the
// building machine needs no FAT in its kernel.
package build
