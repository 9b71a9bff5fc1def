package smart

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Drive says how one drive is asked.
type Drive struct {
	Dev     string        // directory of device files
	Name    string        // kernel name, "sda"
	Program string        // smartctl; "" looks for it on the PATH
	Timeout time.Duration // of one run of smartctl
}

// ErrSilent is the answer where nothing on this machine can ask the drive.
var ErrSilent = errors.New("nothing here can ask this drive: smartctl (package smartmontools) is not installed")

// Read asks the drive by smartctl where that is installed, and an NVMe drive also directly. The error says why neither
// told anything.
func Read(ctx context.Context, d Drive) (Health, error) {
	told, err := d.smartctl(ctx, all...)
	if !IsNVMe(d.Name) {
		return told, err
	}
	direct, directErr := NVMe(d.Dev, d.Name)
	switch {
	case err != nil && directErr != nil:
		return unknown(), errors.Join(err, directErr)
	case err != nil:
		return direct, nil
	case directErr == nil:
		told.Fill(direct)
	}
	return told, nil
}

func (d Drive) smartctl(ctx context.Context, arguments ...string) (Health, error) {
	program, err := Command(d.Program)
	if err != nil {
		return unknown(), ErrSilent
	}
	data, err := Report(ctx, program, d.Name, d.Timeout, arguments...)
	if err != nil {
		return unknown(), fmt.Errorf("run smartctl: %w", err)
	}
	return Parse(data)
}
