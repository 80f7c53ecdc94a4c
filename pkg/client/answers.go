package client

import (
	"context"
	"io"
	"sync/atomic"
)

// answerStep is how much of an answer is read at a time, before more memory is asked for.
const answerStep = 64 << 10

// Answers is what several clients may hold of the answers that they are reading: so much memory together. An answer
// that would go beyond it goes on in one of a few lanes, for which it waits within its deadline; its server feels
// that as a full connection. What is in a lane needs no more leave, so that nothing waits for ever. Without Answers,
// hosts that send as much as they may would take the memory of all connections together.
type Answers struct {
	free  atomic.Int64
	lanes chan struct{}
}

// NewAnswers lets answers take so many bytes together, and beyond that so many answers at once whatever they need.
func NewAnswers(memory int64, lanes int) *Answers {
	a := &Answers{lanes: make(chan struct{}, max(lanes, 1))}
	a.free.Store(memory)
	return a
}

// read is the body under the bound; done has to be called when nothing of the answer but its decoded form is left.
func (a *Answers) read(ctx context.Context, body io.Reader) (_ io.Reader, done func()) {
	if a == nil {
		return body, func() {}
	}
	r := &answerReader{answers: a, ctx: ctx, body: body}
	return r, func() {
		a.free.Add(r.granted)
		if r.lane {
			<-a.lanes
		}
	}
}

// take takes memory if there is some.
func (a *Answers) take(n int64) bool {
	if a.free.Add(-n) >= 0 {
		return true
	}
	a.free.Add(n)
	return false
}

type answerReader struct {
	answers *Answers
	ctx     context.Context //nolint:containedctx // an io.Reader takes none
	body    io.Reader
	taken   int64 // bytes read
	granted int64 // of the memory
	lane    bool
}

func (r *answerReader) Read(p []byte) (int, error) {
	for r.taken >= r.granted && !r.lane {
		if r.answers.take(answerStep) {
			r.granted += answerStep
			continue
		}
		select {
		case r.answers.lanes <- struct{}{}:
			r.lane = true
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	if left := r.granted - r.taken; !r.lane && int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.body.Read(p)
	r.taken += int64(n)
	return n, err
}
