package nvme

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Drive is a controller that commands can be sent to.
type Drive struct {
	Send Admin
}

// quick bounds a command that only asks.
const quick = 30 * time.Second

func (d Drive) identify(cns, namespace uint32) ([]byte, error) {
	b := make([]byte, page)
	err := d.Send(&Command{Opcode: opIdentify, Namespace: namespace, CDW10: cns, DataLen: page, TimeoutMS: millis(quick)}, b)
	return b, err
}

// Controller asks the drive who it is.
func (d Drive) Controller() (Controller, error) {
	b, err := d.identify(cnsController, 0)
	if err != nil {
		return Controller{}, fmt.Errorf("identify the controller: %w", err)
	}
	return ParseController(b)
}

// Namespace asks about one namespace.
func (d Drive) Namespace(id uint32) (Namespace, error) {
	b, err := d.identify(cnsNamespace, id)
	if err != nil {
		return Namespace{}, fmt.Errorf("identify namespace %d: %w", id, err)
	}
	return ParseNamespace(b)
}

// Spaces lists the namespaces that exist and those of them that are attached to this controller. A drive
// without namespace management has no others than the attached ones.
func (d Drive) Spaces(c Controller) (allocated, active []uint32, err error) {
	b, err := d.identify(cnsActive, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("list the namespaces: %w", err)
	}
	active = ParseList(b)
	if c.OACS&canManage == 0 {
		return active, active, nil
	}
	b, err = d.identify(cnsAllocated, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("list the allocated namespaces: %w", err)
	}
	return ParseList(b), active, nil
}

// Loose lists the namespaces that exist and are attached to nothing here: they hold data that no disk shows.
func (d Drive) Loose(c Controller) ([]uint32, error) {
	allocated, active, err := d.Spaces(c)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(allocated, func(id uint32) bool { return slices.Contains(active, id) }), nil
}

func (d Drive) sanitizeLog() (Sanitize, error) {
	const bytes = 512
	b := make([]byte, bytes)
	c := &Command{Opcode: opGetLog, Namespace: Everything, CDW10: 0x81 | (bytes/4-1)<<16, DataLen: bytes, TimeoutMS: millis(quick)}
	if err := d.Send(c, b); err != nil {
		return Sanitize{}, fmt.Errorf("read the sanitize log: %w", err)
	}
	return ParseSanitize(b)
}

func millis(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

func unsupported(err error) bool {
	var s Status
	return errors.As(err, &s) && s.unsupported()
}
