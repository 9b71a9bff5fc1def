package hostingtest

import "github.com/steelyard/steelyard/agent/hosting/file"

// Stopped runs act and ends it at its step n (see [file.OnStep]), as a kill of the agent there would; false when it has fewer and came to its end.
func Stopped(n int, act func()) (was bool) {
	defer file.OnStep(func(string) {
		if n--; n == 0 {
			panic(stop{})
		}
	})()
	defer func() {
		if r := recover(); r != nil {
			if _, was = r.(stop); !was {
				panic(r)
			}
		}
	}()
	act()
	return false
}

// stop is what is panicked with.
type stop struct{}
