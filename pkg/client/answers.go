package client

import (
	"context"
	"io"
)

// smallAnswer is how much of an answer is read without asking for leave.
const smallAnswer = 64 << 10

// Answers is what several clients may hold of large answers: any number of answers is read up to 64 KiB, and so many at
// once beyond that. Further ones wait within their deadline, which their servers feel as a full connection. Without
// it, hosts that send as much as they may would take the memory of all connections together.
type Answers struct{ large chan struct{} }

// NewAnswers lets so many answers above 64 KiB be read at once.
func NewAnswers(large int) *Answers { return &Answers{make(chan struct{}, max(large, 1))} }

// read is the body under the bound; done has to be called when nothing of the answer but its decoded form is left.
func (a *Answers) read(ctx context.Context, body io.Reader) (_ io.Reader, done func()) {
	if a == nil {
		return body, func() {}
	}
	r := &answerReader{answers: a, ctx: ctx, body: body}
	return r, func() {
		if r.large {
			<-a.large
		}
	}
}

type answerReader struct {
	answers *Answers
	ctx     context.Context //nolint:containedctx // an io.Reader takes none
	body    io.Reader
	taken   int
	large   bool
}

func (r *answerReader) Read(p []byte) (int, error) {
	if r.taken >= smallAnswer && !r.large {
		select {
		case r.answers.large <- struct{}{}:
			r.large = true
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n, err := r.body.Read(p)
	r.taken += n
	return n, err
}
