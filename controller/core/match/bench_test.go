package match_test

import (
	"fmt"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/matchtest"
)

func filled(servers []match.Server) *match.Catalogue {
	c := match.NewCatalogue()
	for _, s := range servers {
		c.Put(s)
	}
	return c
}

func BenchmarkMatch(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		fleet := matchtest.Fleet(1, size, 1000)
		c := filled(fleet)
		exact, near, mixed := matchtest.Exact(1, fleet, 512), matchtest.Close(1, fleet, 512), matchtest.Mixed(1, fleet, 512)
		run := func(name string, f func(i int)) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					f(i % 512)
				}
			})
		}
		run("exact", func(i int) { mustFind(c.Exact(exact[i])) })
		run("closest", func(i int) { mustFind(c.Best(near[i])) })
		run("mixed", func(i int) { mustFind(c.Best(mixed[i])) })
		run("take", func(i int) {
			r, ok := c.Reserve(near[i])
			mustFind(r, ok)
			c.Release(r.ServerID)
		})
		run("brute", func(i int) { mustFind(matchtest.BruteForce(fleet, near[i])) })
	}
}

func mustFind(_ match.Result, ok bool) {
	if !ok {
		panic("no server was found")
	}
}
