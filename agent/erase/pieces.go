package erase

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
)

// every gives the places of the pieces of the range [off, off+n).
func every(off, n int64, piece int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for at := off; at < off+n && yield(at); at += int64(piece) {
		}
	}
}

// pieces calls do for the piece at each place, depth of them at a time, until one fails or ctx
// ends. A piece that would go past end is shorter. Each call has a buffer of the piece's length
// to itself, with anything in it.
func pieces(ctx context.Context, places iter.Seq[int64], end int64, piece int, do func(buf []byte, at int64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int64)
	g.Go(func() error {
		defer close(next)
		for at := range places {
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
				if err := do(buf[:min(int64(piece), end-at)], at); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
