// Package hosting tries limits of disk space where the kernel has them: in virtual machines with Debian's kernel, on ext4 and XFS. Each test runs itself inside a machine (package qemu), makes users
// and homes with the parts of a hosting node, and writes as those users, directly and by FTP.
package hosting
