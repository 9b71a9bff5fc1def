// Package ata speaks the ATA commands that erasing needs (ACS-4): IDENTIFY DEVICE, the security feature set, and the two
// ways in which a drive hides its end, the host protected area and the device configuration overlay. Commands travel as SCSI
// ATA PASS-THROUGH (16) (SAT-4), which libata and SAS controllers understand.
//
// A security erase needs a password for as long as it runs. It is [Password], fixed and known: an erase that was cut
// off by a power loss leaves the drive locked with it, and the next run unlocks the drive with it and erases again. A drive that is
// locked with another password cannot be erased here, and that is said.
package ata
