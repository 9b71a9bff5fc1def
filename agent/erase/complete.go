package erase

import (
	"context"
	"errors"
	"fmt"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// complete refuses unless the machine's disks and the permit's are the same ones, and are all of what the machine has. regained
// is what some of them have given back of their ends meanwhile, by their place in want.
func complete(ctx context.Context, disks driver.Disks, want []protocol.DiskRef) (regained map[int]uint64, err error) {
	list, err := disks.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	wrong := strangers(list, want)
	hidden, err := hidden(ctx, disks)
	if err != nil {
		return nil, fault.Refused("nothing was erased: it cannot be told whether the machine hides disks: %w", err)
	}
	if wrong = append(wrong, hidden...); len(wrong) > 0 {
		return nil, fault.Refused("nothing was erased: %w", errors.Join(wrong...))
	}
	return unclip(ctx, disks, want)
}

// strangers tells what is in one of the two lists alone.
func strangers(list, want []protocol.DiskRef) (wrong []error) {
	listed := map[string]bool{}
	for _, ref := range want {
		found, err := driver.Find(list, ref)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case listed[found.Name]:
			wrong = append(wrong, fault.Refused("disk %s is listed twice", driver.Describe(found)))
		}
		listed[found.Name] = true
	}
	for _, ref := range list {
		if !listed[ref.Name] {
			wrong = append(wrong, fault.Refused("disk %s is not listed in the permit", driver.Describe(ref)))
		}
	}
	return wrong
}

func hidden(ctx context.Context, disks driver.Disks) (wrong []error, err error) {
	h, ok := disks.(driver.Hiding)
	if !ok {
		return nil, nil
	}
	list, err := h.Hidden(ctx)
	for _, what := range list {
		wrong = append(wrong, fault.Refused("%s", what))
	}
	return wrong, err
}

// unclip looks for drives that hide their end. One that gives it back has another size then, which no permit of today
// names: the erase is asked for anew, by itself where nothing else is in its way. regained is what each disk is bigger now.
func unclip(ctx context.Context, disks driver.Disks, want []protocol.DiskRef) (regained map[int]uint64, err error) {
	var clipped []error
	regained = map[int]uint64{}
	for i, ref := range want {
		back, err := unclipOne(ctx, disks, ref)
		if back > 0 {
			regained[i] = back
		}
		if err != nil {
			clipped = append(clipped, fmt.Errorf("disk %s: %w", driver.Describe(ref), err))
		}
	}
	switch {
	case len(clipped) == 0:
		return nil, nil
	case len(clipped) == len(regained):
		return regained, fault.Unavailable("nothing was erased yet: %w", errors.Join(clipped...))
	}
	return regained, fault.Refused("nothing was erased: %w", errors.Join(clipped...))
}

// unclipOne gives the end of one disk back; an error without any says why that cannot be done.
func unclipOne(ctx context.Context, disks driver.Disks, ref protocol.DiskRef) (back uint64, err error) {
	dev, err := driver.Open(ctx, disks, ref, driver.Read)
	if err != nil {
		return 0, nil // opened for writing it says why, and the other disks are erased
	}
	clip, err := clipOf(ctx, dev)
	if err := errors.Join(err, dev.Close()); err != nil {
		return 0, fmt.Errorf("cannot tell whether it hides a part of itself: %w", err)
	}
	if clip == nil {
		return 0, nil
	}
	what := fmt.Sprintf("it hides %s behind %s", unit.Bytes(clip.Bytes).SI(), clip.By)
	if clip.Stays != "" {
		return 0, fault.Refused("%s: %s", what, clip.Stays)
	}
	if dev, err = driver.Open(ctx, disks, ref, driver.Write); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	err = dev.(driver.Clipping).Unclip(ctx)
	if err := errors.Join(err, dev.Close()); err != nil {
		return 0, fault.Refused("%s and does not give it back: %w", what, err)
	}
	return clip.Bytes, fault.Unavailable("%s; it was given back, and the erase needs a permit for the whole of it", what)
}

func clipOf(ctx context.Context, dev driver.Disk) (*driver.Clip, error) {
	c, ok := dev.(driver.Clipping)
	if !ok {
		return nil, nil
	}
	return c.Clipped(ctx)
}
