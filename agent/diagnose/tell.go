package diagnose

import (
	"sync"
	"time"
)

// tellEvery is how often the newest report is repeated. Listeners take a report now and then and leave out those between:
// a minute of work on the processors would show what was done before.
const tellEvery = 3 * time.Second

// repeated is report, with the newest one again and again until stop was called.
func repeated(report Report) (tell Report, stop func()) {
	var mu sync.Mutex
	var last func()
	tell = func(done, total uint64, unit, note string) {
		mu.Lock()
		last = func() { report(done, total, unit, note) }
		mu.Unlock()
		report(done, total, unit, note)
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			mu.Lock()
			again := last
			mu.Unlock()
			if again != nil {
				again()
			}
		}
	}()
	return tell, func() { close(over); <-ended }
}
