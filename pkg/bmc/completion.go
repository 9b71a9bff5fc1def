package bmc

import "fmt"

// Completion is the answer of a controller that did not do what it was told
// (section 5.2). The command reached it.
type Completion struct {
	Code    uint8
	NetFn   uint8
	Command uint8
}

func (c *Completion) Error() string {
	text := completions[c.Code]
	if text == "" {
		text = "refused"
	}
	return fmt.Sprintf("the management controller answers command %02x/%02x with %02x: %s", c.NetFn, c.Command, c.Code, text)
}

// Completion codes that callers tell apart.
const (
	CodeBusy        = 0xc0
	CodeUnknown     = 0xc1
	CodeReservation = 0xc5
	CodeTooLong     = 0xca
	CodeAbsent      = 0xcb
	CodeInvalid     = 0xcc
	CodeNotNow      = 0xd5
	CodePrivilege   = 0xd4
)

var completions = map[uint8]string{
	CodeBusy:        "it is busy",
	CodeUnknown:     "it does not know the command",
	CodeReservation: "the reservation is lost",
	0xc3:            "it took too long",
	0xc7:            "the length is wrong",
	CodeTooLong:     "it cannot return so many bytes",
	CodeAbsent:      "there is no such record",
	CodeInvalid:     "a field is invalid",
	CodePrivilege:   "the user may not do this; it needs the operator privilege on the LAN channel",
	CodeNotNow:      "not in the present state",
	0xd6:            "the function is switched off",
	0xff:            "unspecified error",
}
