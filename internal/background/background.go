// Package background runs what is to yield to the rest of the machine: a probe must not take processor time from capture,
// nor from what its host is there for.
package background

// Run runs f with a niceness of its own, from 0 (as everything) to 19 (what nobody else wants), and returns when f does. Where
// the process has a higher one already, f has that. f is on a thread of its own, which ends with it, since none can take its
// priority back. It holds for f alone, not for goroutines that f starts, and on Linux alone, where priorities are those of
// threads; elsewhere, and where it may not be lowered, f runs as it is.
func Run(niceness int, f func()) { run(niceness, f) }
