package erase

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
)

// pieces calls do for each piece of the range [off, off+n), depth of them at a time, until one
// fails or ctx ends. Each call has a buffer of the piece's length to itself.
func pieces(ctx context.Context, off, n int64, piece, depth int, do func(buf []byte, at int64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int64)
	g.Go(func() error {
		defer close(next)
		for at := off; at < off+n; at += int64(piece) {
			select {
			case next <- at:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range depth {
		g.Go(func() error {
			buf := driver.Buffer(piece)
			for at := range next {
				if err := do(buf[:min(int64(piece), off+n-at)], at); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
