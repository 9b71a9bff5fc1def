package bmc

import "github.com/steelyard/steelyard/pkg/fault"

// Guard turns a panic over malformed bytes in a decoder of somebody else into an error. what is named in it.
func Guard(what string, decode func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Refused("read %s: the management controller sent something malformed (%v)", what, p)
		}
	}()
	return decode()
}
