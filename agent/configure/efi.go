package configure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/firmware"
)

// ours is how our entries in the menu begin.
const ours = "Steelyard: "

// bootOption is an entry of the firmware's menu.
type bootOption struct {
	table *table
	esp   partition
	path  string // of the loader, with slashes
	name  string
}

// enter writes the entry, removes those that earlier installations wrote, and lets the firmware try it behind the entry that this
// machine was started by: what comes first, such as the network, stays first. The very next start uses the entry.
func enter(dir string, b bootOption) (uint16, error) {
	v, err := firmware.Open(dir)
	if err != nil {
		return 0, err
	}
	order := v.List("BootOrder")
	for _, old := range ownEntries(v) {
		if err := v.Remove(fmt.Sprintf("Boot%04X", old)); err != nil {
			return 0, err
		}
		order = slices.DeleteFunc(order, func(n uint16) bool { return n == old })
	}
	number, err := v.Free()
	if err != nil {
		return 0, err
	}
	at := 0
	if now := v.List("BootCurrent"); len(now) == 1 {
		at = slices.Index(order, now[0]) + 1
	}
	order = slices.Insert(order, at, number)
	return number, errors.Join(
		v.Set(fmt.Sprintf("Boot%04X", number), b.encode()),
		v.Set("BootOrder", firmware.Numbers(order)),
		v.Set("BootNext", firmware.Numbers([]uint16{number})),
	)
}

// ownEntries are those that an installation wrote, by their description.
func ownEntries(v firmware.Variables) []uint16 {
	mark := firmware.Wide(ours)
	mark = mark[:len(mark)-2]
	return slices.DeleteFunc(v.Entries(), func(n uint16) bool {
		b := v.Get(fmt.Sprintf("Boot%04X", n))
		return len(b) < 6+len(mark) || string(b[6:6+len(mark)]) != string(mark)
	})
}

// encode is an EFI_LOAD_OPTION: the partition by its id, the loader by its path.
func (b bootOption) encode() []byte {
	le := binary.LittleEndian
	drive := []byte{4, 1, 42, 0} // media, hard drive
	drive = le.AppendUint32(drive, uint32(b.esp.number))
	drive = le.AppendUint64(drive, b.esp.start/b.table.sector)
	drive = le.AppendUint64(drive, b.esp.size/b.table.sector)
	if b.table.gpt != nil {
		drive = append(drive, b.esp.id[:]...)
		drive = append(drive, 2, 2)
	} else {
		id := make([]byte, 16)
		copy(id, b.table.mbr[440:444])
		drive = append(drive, id...)
		drive = append(drive, 1, 1)
	}
	name := firmware.Wide(`\` + strings.ReplaceAll(b.path, "/", `\`))
	file := append(le.AppendUint16([]byte{4, 4}, uint16(4+len(name))), name...)
	path := slices.Concat(drive, file, []byte{0x7F, 0xFF, 4, 0})
	option := le.AppendUint16(le.AppendUint32(nil, 1), uint16(len(path)))
	return slices.Concat(option, firmware.Wide(b.name), path)
}
