package natshttp

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/weirflow/weir/pkg/client"
)

// body is the body of an answer. As it is read, the host may send more.
type body struct {
	exchange *exchange
	ctx      context.Context
	stop     func() bool
	page     []byte // being read
	declared int64  // Content-Length; -1: none
	got      int64
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.page) == 0 {
		page, done, err := b.exchange.take()
		switch {
		case errors.Is(err, errOver) && b.ctx.Err() != nil:
			return 0, b.ctx.Err()
		case err != nil:
			return 0, err
		case page != nil:
			b.page = page
			continue
		case done:
			return 0, b.ended()
		}
		if err := b.exchange.wait(b.ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.page)
	b.page = b.page[n:]
	b.got += int64(n)
	return n, nil
}

// ended is the end of the body: whether all is there that the head promised.
func (b *body) ended() error {
	if b.declared >= 0 && b.got != b.declared {
		return fail(b.exchange.address, client.KindProtocol, io.ErrUnexpectedEOF, "", "the answer has %d of the %d bytes it should have", b.got, b.declared)
	}
	return io.EOF
}

// Close ends the exchange; a host that has not finished stops.
func (b *body) Close() error {
	b.stop()
	b.exchange.end(true)
	return nil
}

// take is the next page; done says that there are no more.
func (e *exchange) take() (page []byte, done bool, err error) {
	e.mu.Lock()
	switch {
	case e.over:
		e.mu.Unlock()
		return nil, false, errOver
	case len(e.pages) == 0:
		defer e.mu.Unlock()
		return nil, e.complete, e.err
	}
	page = e.pages[0]
	e.pages[0] = nil
	e.pages = e.pages[1:]
	e.read += cost(len(page))
	grant := 0
	if !e.complete && e.read >= e.window/4 {
		grant, e.read = e.read, 0
	}
	e.mu.Unlock()
	e.grant(grant)
	return page, false, nil
}

// errOver says that the body was closed, or its request's context has ended.
var errOver = errors.New("nats: the answer is closed")

// unzipped is a compressed body; its header is read with the first bytes.
type unzipped struct {
	body   *body
	reader *gzip.Reader
	err    error
}

func (u *unzipped) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.reader == nil {
		if u.reader, u.err = gzip.NewReader(u.body); u.err != nil {
			return 0, u.err
		}
	}
	n, err := u.reader.Read(p)
	if err != nil {
		u.err = err
	}
	return n, err
}

func (u *unzipped) Close() error { return u.body.Close() }
