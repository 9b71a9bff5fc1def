// Package nvme speaks the admin commands of NVM Express that erasing needs: identify, sanitize and format. The
// numbers are those of the NVM Express Base Specification 2.0 (figures 275, 97 of the NVM command set, 311) and of Linux's
// nvme_ioctl.h. It is given a way to send a command ([Admin]) and knows nothing of devices and files.
//
// It decides what a drive can be asked to do to one namespace without touching another: sanitize works on the whole
// drive, and so does format where the drive says so, so both are unfit while the drive has a second namespace.
package nvme
