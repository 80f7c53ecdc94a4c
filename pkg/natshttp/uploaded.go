package natshttp

import (
	"io"
	"strconv"
	"sync"
	"time"
)

// uploaded is the body of a request at the host: what came with the request, then page after page, each asked for when
// it is needed, so that nothing is sent to somebody who may not send it.
type uploaded struct {
	answer  *answer
	changed chan struct{}

	mu       sync.Mutex
	page     []byte
	more     bool
	sequence int // of the last page that came
	closed   bool

	deadline time.Time // guarded by the answer's mutex
}

func (u *uploaded) Read(p []byte) (int, error) {
	for {
		u.mu.Lock()
		switch {
		case u.closed:
			u.mu.Unlock()
			return 0, io.ErrClosedPipe
		case len(u.page) > 0:
			n := copy(p, u.page)
			u.page = u.page[n:]
			u.mu.Unlock()
			return n, nil
		case !u.more:
			u.mu.Unlock()
			return 0, io.EOF
		}
		wanted := u.sequence + 1
		u.mu.Unlock()
		if err := u.fetch(wanted); err != nil {
			return 0, err
		}
	}
}

// fetch asks for a page and waits for it.
func (u *uploaded) fetch(wanted int) error {
	a := u.answer
	m := a.message()
	m.Header.Set(headerWant, strconv.Itoa(wanted))
	if err := a.responder.deps.Link.conn.PublishMsg(m); err != nil {
		return err
	}
	for {
		u.mu.Lock()
		here := u.sequence >= wanted
		u.mu.Unlock()
		if here {
			return nil
		}
		a.mu.Lock()
		deadline := u.deadline
		a.mu.Unlock()
		if err := pause(a.ctx, u.changed, deadline); err != nil {
			return err
		}
	}
}

// put takes the page that was asked for, and no other.
func (u *uploaded) put(sequence int, data []byte, more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if sequence != u.sequence+1 || len(u.page) > 0 || !u.more || len(data) > maxPage {
		return
	}
	u.sequence, u.page, u.more = sequence, data, more
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

// Close is part of io.ReadCloser.
func (u *uploaded) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed, u.page = true, nil
	return nil
}
