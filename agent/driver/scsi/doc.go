// Package scsi speaks the few SCSI commands that erasing needs (SPC-5, SBC-4): SANITIZE and REQUEST SENSE. It is given a
// way to send a command ([Send]) and knows nothing of devices and files. Package ata sends its commands through it.
package scsi
