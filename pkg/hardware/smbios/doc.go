// Package smbios reads what the firmware says about a machine (DMTF DSP0134) and
// turns it into the parts of a [hardware.Inventory].
//
// There are two readers, [Text] for the output of dmidecode and [Binary] for raw
// tables, one intermediate form, [Table], and one mapping, [Table.Inventory].
// The form uses dmidecode's words: it is what people look at and compare, it
// survives versions, and a machine reads the same from its live tables as from a
// text that somebody mailed.
//
// Firmware strings are hostile input: everything is bounded, control characters
// are stripped, placeholders ("To Be Filled By O.E.M.", blanks, all zeros) are
// dropped. A serial number such as "1234567890" is kept although no vendor means
// it: two machines that claim it must be noticed, not hidden (rule X1).
//
// What the mapping did not understand is returned as [Gap] values, never guessed
// and never an error; the command in dumptable prints them for a whole archive.
// The package reads only what it is given, opens no file and starts nothing.
package smbios
