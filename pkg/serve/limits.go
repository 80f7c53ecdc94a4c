package serve

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// bucket is a token bucket.
type bucket struct {
	rate, burst float64

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newBucket(rate float64, burst int) *bucket {
	return &bucket{rate: rate, burst: float64(burst), tokens: float64(burst)}
}

// take takes one token, or says how long to wait for it.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() && now.After(b.last) {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	if now.After(b.last) {
		b.last = now
	}
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return time.Duration(math.Ceil((1 - b.tokens) / b.rate * float64(time.Second)))
}

// admit lets a query in, or says with 429 or 503 why not. release has to be called after it.
func (s *Server) admit(ctx context.Context, w http.ResponseWriter) (release func(), p *wire.Problem) {
	if s.bucket != nil {
		if wait := s.bucket.take(s.deps.Now()); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			return nil, wire.NewProblem(http.StatusTooManyRequests, fmt.Sprintf("more queries than the limit of %g per second: try again in %d s", s.bucket.rate, seconds))
		}
	}
	if s.slots == nil {
		return func() {}, nil
	}
	release = func() { <-s.slots }
	select {
	case s.slots <- struct{}{}:
		return release, nil
	default:
	}
	timer := time.NewTimer(s.cfg.Limits.Queue)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
	case <-timer.C:
	}
	w.Header().Set("Retry-After", "1")
	return nil, wire.NewProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d queries are running, the limit: none ended within %v", cap(s.slots), s.cfg.Limits.Queue))
}
