package drivertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Jumped is a machine that notes which kernel it would have started.
type Jumped struct {
	Machine driver.Jumper
	Loaded  func() bool     // a kernel waits for the next reboot, whoever asks for that
	Started func() []string // the kernel, the memory image and the command line of each start
	Refuse  func(error)     // from now on the running kernel takes no other one, and says so
	Stick   func(error)     // from now on what runs does not end
}

// RunJump is the suite that every machine passes that can start another kernel; open makes a fresh one for each part. No kernel is ever
// started by it.
func RunJump(t *testing.T, open func(t *testing.T) Jumped) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Jumped)
	}{
		{"B34_PreparingStartsNothing", preparingStartsNothing},
		{"B34_WhatWasAnnouncedIsStarted", announcedIsStarted},
		{"B34_AnotherFileIsRefused", otherFileIsRefused},
		{"B34_ARefusalLeavesNothingBehind", refusalLeavesNothing},
		{"B34_AJumpThatFailsLeavesNothingBehind", failureLeavesNothing},
		{"X5_AnEndedContextStartsNothing", endedStartsNothing},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// Kernel is one whose files are the texts.
func Kernel(image, memory, line string) driver.Kernel {
	return driver.Kernel{Image: file(image), Memory: file(memory), CommandLine: line, Fetch: func(_ context.Context, f protocol.EntryFile, to io.Writer) error {
		for _, text := range []string{image, memory} {
			if file(text) == f {
				_, err := io.Copy(to, bytes.NewReader([]byte(text)))
				return err
			}
		}
		return fault.NotFound("there is no such file")
	}}
}

func file(text string) protocol.EntryFile {
	sum := sha256.Sum256([]byte(text))
	return protocol.EntryFile{SHA256: hex.EncodeToString(sum[:]), Bytes: uint64(len(text))}
}

func started(t *testing.T, j Jumped, want ...string) {
	t.Helper()
	got := j.Started()
	if len(got) != len(want) {
		t.Fatalf("started %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("started %q, want %q", got, want)
		}
	}
}

func preparingStartsNothing(t *testing.T, j Jumped) {
	if _, err := j.Machine.Prepare(t.Context(), Kernel("kernel", "memory", "quiet")); err != nil {
		t.Fatal(err)
	}
	started(t, j)
	if j.Loaded() {
		t.Error("the customer's own reboot would start it")
	}
}

func announcedIsStarted(t *testing.T, j Jumped) {
	jump, err := j.Machine.Prepare(t.Context(), Kernel("kernel", "memory", "quiet panic=60"))
	if err != nil {
		t.Fatal(err)
	}
	if err := jump(t.Context()); err != nil {
		t.Fatal(err)
	}
	started(t, j, "kernel memory quiet panic=60")
}

func otherFileIsRefused(t *testing.T, j Jumped) {
	for name, gives := range map[string]string{"another": "kernal", "shorter": "kern", "longer": "kernel and more"} {
		k := Kernel("kernel", "memory", "quiet")
		fetch := k.Fetch
		k.Fetch = func(ctx context.Context, f protocol.EntryFile, to io.Writer) error {
			if f == k.Image {
				_, err := io.WriteString(to, gives)
				return err
			}
			return fetch(ctx, f, to)
		}
		if _, err := j.Machine.Prepare(t.Context(), k); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := Kernel("kernel", "memory", "quiet")
	broken := fault.Unavailable("the cable is out")
	k.Fetch = func(context.Context, protocol.EntryFile, io.Writer) error { return broken }
	if _, err := j.Machine.Prepare(t.Context(), k); !errors.Is(err, broken) {
		t.Errorf("what cannot be fetched: %v", err)
	}
	started(t, j)
}

func refusalLeavesNothing(t *testing.T, j Jumped) {
	j.Refuse(errors.New("locked down"))
	if _, err := j.Machine.Prepare(t.Context(), Kernel("kernel", "memory", "quiet")); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a kernel that takes no other one: %v", err)
	}
	if started(t, j); j.Loaded() {
		t.Error("something is loaded")
	}
}

func failureLeavesNothing(t *testing.T, j Jumped) {
	jump, err := j.Machine.Prepare(t.Context(), Kernel("kernel", "memory", "quiet"))
	if err != nil {
		t.Fatal(err)
	}
	stuck := errors.New("it does not end")
	j.Stick(stuck)
	if err := jump(t.Context()); !errors.Is(err, stuck) {
		t.Errorf("a jump that fails: %v", err)
	}
	if started(t, j); j.Loaded() {
		t.Error("the next reboot would start it")
	}
}

func endedStartsNothing(t *testing.T, j Jumped) {
	jump, err := j.Machine.Prepare(t.Context(), Kernel("kernel", "memory", "quiet"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := jump(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if started(t, j); j.Loaded() {
		t.Error("something is loaded")
	}
}
