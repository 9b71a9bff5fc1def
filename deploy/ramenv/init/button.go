package main

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard/steelyard/deploy/ramenv/boot"
)

// watchButton switches the machine off when its power button is pressed, or a management controller asks for an
// orderly end, which is the same to the machine.
func watchButton(s *screen) {
	watched := map[string]bool{}
	for {
		devices, _ := filepath.Glob("/dev/input/event*")
		for _, d := range devices {
			if !watched[d] {
				watched[d] = true
				go watchKeys(s, d)
			}
		}
		time.Sleep(2 * time.Second)
	}
}

func watchKeys(s *screen, device string) {
	f, err := os.Open(device)
	if err != nil {
		return
	}
	defer f.Close()
	for {
		pressed, err := powerKey(f)
		if err != nil {
			return
		}
		if pressed {
			s.say("The power button was pressed: the machine is switched off.")
			time.Sleep(time.Second) // the line is read
			boot.PowerOff()
		}
	}
}

// Numbers of the kernel's input events (input-event-codes.h).
const (
	eventKey   = 1
	keyPower   = 116
	eventBytes = 24 // two 64-bit times, type, code, value
)

// powerKey reads one event and tells whether it is the power key going down.
func powerKey(from io.Reader) (bool, error) {
	var raw [eventBytes]byte
	if _, err := io.ReadFull(from, raw[:]); err != nil {
		return false, err
	}
	kind, code := binary.LittleEndian.Uint16(raw[16:]), binary.LittleEndian.Uint16(raw[18:])
	return kind == eventKey && code == keyPower && binary.LittleEndian.Uint32(raw[20:]) == 1, nil
}
