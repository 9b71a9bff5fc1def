// Command bench measures the performance goals of the project against their peers and limits, and
// prints ours, theirs, the ratio and whether the goal is met. docs/performance.md describes each
// measurement in plain words.
//
//	go run . [-n servers] [G1 G5 …]
//
// It owns what is measured and how; it never decides what ships, and it is no test: a figure
// depends on the machine and on who else works on it. Therefore every goal is a ratio of two
// things that were measured alternately in one run, in five rounds or more (three where a busy
// machine leaves no time for more, which is said), and the median of the rounds' ratios is what counts. CPU time stands in for wall time wherever the question allows.
//
// It is a module of its own, so that its peers (nats-server, grpc-go) are no dependency of the
// product. Servers whose memory or CPU is measured run in fresh children of this program.
//
// Results go to bench.json in the root of the repository: a list of objects with the fields of
// [Row]. A goal that is not met is a row like any other; the exit status is 1 only when something
// could not be measured.
package main
