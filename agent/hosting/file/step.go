package file

import "sync/atomic"

var onStep atomic.Pointer[func(string)]

// OnStep calls f after each change that survives this process, with what was done ("write /etc/x"), until the returned function is called. It is for tests that
// end at every point at which a crash could come; other packages tell their own steps with [Step].
func OnStep(f func(what string)) (stop func()) {
	onStep.Store(&f)
	return func() { onStep.Store(nil) }
}

// Step tells a test that something was done which survives this process: a program was run, a kernel was asked.
func Step(what string) {
	if f := onStep.Load(); f != nil {
		(*f)(what)
	}
}
