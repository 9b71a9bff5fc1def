package mysql

import (
	"testing"
)

// BenchmarkEnsure shows what an account costs among 5,000: unchanged in a pass over all of them, and changed alone.
func BenchmarkEnsure(b *testing.B) {
	s := start(b)
	all := many(5000)
	for _, a := range all {
		if err := s.part.Ensure(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if err := s.part.Settle(b.Context()); err != nil {
				b.Fatal(err)
			}
			for _, a := range all {
				if err := s.part.Ensure(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/account")
	})
	b.Run("changed", func(b *testing.B) {
		for b.Loop() {
			a := all[b.N%len(all)]
			a.DatabasesShrink = !a.DatabasesShrink
			if err := s.part.Ensure(b.Context(), a); err != nil {
				b.Fatal(err)
			}
			if err := s.part.Settle(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
