package main

import (
	"context"
	"sync/atomic"
	"time"
)

// pulse lets every connection of a crowd send a heartbeat now and then, spread evenly over time.
type pulse struct {
	count  atomic.Int64
	quiet  atomic.Int64 // connections below this number say nothing any more
	last   []atomic.Int64
	cancel context.CancelFunc
}

func (c *crowd) startPulse(every time.Duration) error {
	p := &pulse{last: make([]atomic.Int64, len(c.callers))}
	c.pulse = p
	for i, one := range c.callers {
		offset := every * time.Duration(i) / time.Duration(len(c.callers))
		go func() {
			time.Sleep(offset)
			for t := time.NewTicker(every); ; <-t.C {
				if int64(i) < p.quiet.Load() {
					return
				}
				at := time.Now() // the server hears it later than this
				if one.beat(0) != nil {
					return
				}
				p.last[i].Store(at.UnixNano())
				p.count.Add(1)
			}
		}()
	}
	return nil
}

// silence stops the first n and gives when each was last heard of, in Unix nanoseconds. A heartbeat
// that is under way at that moment is waited for.
func (p *pulse) silence(n int) []int64 {
	p.quiet.Store(int64(n))
	time.Sleep(time.Second)
	list := make([]int64, n)
	for i := range list {
		list[i] = p.last[i].Load()
	}
	return list
}
