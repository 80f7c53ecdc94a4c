package fleet

import (
	"fmt"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// breaker keeps a host that does not answer from costing every query its deadline. It is closed while the host
// answers; after several failures in a row it opens for a while, which doubles with each failure that follows; then it
// is half open: one query finds out how the host is, all others are still kept away.
//
// A host that was too slow is another case than one that is not there: perhaps the question was at fault. It is asked
// for a sign of life before the next question, and only the lack of that opens the breaker.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // open until then, if there were enough failures
	wait     time.Duration
	trying   bool // somebody finds out how the host is
	class    wire.Class
	reason   string
}

// openError is why a host is not asked.
type openError struct {
	left     time.Duration
	failures int
	reason   string
}

func (e *openError) Error() string {
	if e.left <= 0 {
		return fmt.Sprintf("not asked, another query is trying it: %s, %d times in a row", e.reason, e.failures)
	}
	return fmt.Sprintf("not asked for another %v: %s, %d times in a row", e.left.Round(time.Second), e.reason, e.failures)
}

// enter says whether the host can be asked, and whether that is a trial.
func (b *breaker) enter(now time.Time, limit int) (trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit == 0 || b.failures < limit {
		return false, nil
	}
	if left := b.until.Sub(now); left > 0 || b.trying {
		return false, &openError{max(left, 0), b.failures, b.reason}
	}
	b.trying = true
	return true, nil
}

// leave books how it went: a failure of the host, or that it answered, or, with neither, nothing. slow is a failure
// that says little of the host.
func (b *breaker) leave(now time.Time, cfg *Config, trial bool, o verdict, class wire.Class, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	switch o {
	case hostAnswers:
		b.failures, b.wait, b.class, b.reason = 0, 0, "", ""
	case hostFails, hostSlow:
		b.failures++
		b.class, b.reason = class, reason
		if b.failures < cfg.BreakerFailures {
			return
		}
		if o == hostSlow {
			b.until = now // the next query asks for a sign of life first
			return
		}
		b.wait = min(max(2*b.wait, cfg.BreakerWait), cfg.BreakerMaxWait)
		b.until = now.Add(b.wait)
	}
}

// verdict is what an outcome says of a host.
type verdict int

const (
	hostUnknown verdict = iota
	hostAnswers
	hostSlow
	hostFails
)

// BreakerState is a breaker as it stands.
type BreakerState struct {
	State    string        `json:"state"` // "closed", "open" or "half-open"
	Failures int           `json:"failures,omitempty"`
	Left     time.Duration `json:"left_ns,omitempty"` // until it is half open
	Class    wire.Class    `json:"class,omitempty"`   // of the last failure
	Reason   string        `json:"reason,omitempty"`
}

func (b *breaker) state(now time.Time, limit int) BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BreakerState{State: "closed", Failures: b.failures, Class: b.class, Reason: b.reason}
	if limit > 0 && b.failures >= limit {
		if s.State = "half-open"; b.until.After(now) {
			s.State, s.Left = "open", b.until.Sub(now)
		}
	}
	return s
}

// suspect says that the host did not answer lately: others are asked before it.
func (b *breaker) suspect() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures > 0
}
