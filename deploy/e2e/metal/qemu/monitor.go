package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"
)

const monitorTime = 20 * time.Second

// Monitor does one command of QEMU's machine protocol and returns its answer.
func (r *Running) Monitor(command string, arguments any) (json.RawMessage, error) {
	conn, err := dial(filepath.Join(r.Dir, "qmp"))
	if err != nil {
		return nil, fmt.Errorf("reach the machine's monitor: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(monitorTime))
	in := json.NewDecoder(io.LimitReader(conn, 4<<20))
	if _, err := answer(in, "QMP"); err != nil {
		return nil, err
	}
	var last json.RawMessage
	for _, c := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}} {
		if c["arguments"] == nil {
			delete(c, "arguments")
		}
		raw, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		if _, err := conn.Write(append(raw, '\n')); err != nil {
			return nil, err
		}
		if last, err = answer(in, "return"); err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
	}
	return last, nil
}

// dial tries until the machine listens.
func dial(path string) (conn net.Conn, err error) {
	for end := time.Now().Add(monitorTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err = net.DialTimeout("unix", path, monitorTime); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// answer reads until there is one with the key; events in between are not for us.
func answer(in *json.Decoder, key string) (json.RawMessage, error) {
	for {
		var m map[string]json.RawMessage
		if err := in.Decode(&m); err != nil {
			return nil, err
		}
		if bad, is := m["error"]; is {
			return nil, errors.New(string(bad))
		}
		if v, is := m[key]; is {
			return v, nil
		}
	}
}

// Unplug pulls the n-th disk of the machine (NVMe and virtio). The guest has to let it go, which takes
// a second or two.
func (r *Running) Unplug(n int) error {
	_, err := r.Monitor("device_del", map[string]any{"id": Disk{}.id(n)})
	return err
}

// Carrier connects or disconnects the cable of the n-th network card.
func (r *Running) Carrier(n int, up bool) error {
	_, err := r.Monitor("set_link", map[string]any{"name": fmt.Sprintf("nic%d", n), "up": up})
	return err
}

// Quit ends the machine as a power cut does, with what the emulator has buffered written.
func (r *Running) Quit() error {
	_, err := r.Monitor("quit", nil)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
