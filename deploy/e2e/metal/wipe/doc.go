// Package wipe proves the erasing of disks on real drivers of the kernel, inside virtual machines: NVMe, SATA, SCSI and
// virtio disks, those among them that claim an erase and leave the data, and those that fail in the middle. What is
// left of them is looked for from outside, in the raw files.
package wipe
