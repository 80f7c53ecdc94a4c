package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// Bounds on the silence of a stream.
const (
	defaultKeepAlive = 15 * time.Second
	minKeepAlive     = 100 * time.Millisecond
)

// stream is POST /_query/sse.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	var e *events
	defer func() { // also after a panic: nothing may be written after it
		if e != nil {
			e.stop()
		}
	}()
	s.answer(w, r, func(ctx context.Context, q *wire.Query) sink {
		e = startEvents(ctx, w, q.KeepAlive)
		return e
	})
}

// events is a stream of server-sent events, in the one framing that goProbe's line-based reader understands:
// "event: NAME", LF, "data: " and JSON on one line, LF, LF. Signs of life are comments with their own empty line.
// The stream begins with its first event; an error before that is an ordinary answer with its own status.
type events struct {
	w    http.ResponseWriter
	done chan struct{}
	wait sync.WaitGroup

	mu     sync.Mutex
	begun  bool
	broken error
}

// startEvents sends a sign of life after every period of keepAlive, until stop or the end of ctx.
func startEvents(ctx context.Context, w http.ResponseWriter, keepAlive time.Duration) *events {
	if keepAlive == 0 {
		keepAlive = defaultKeepAlive
	}
	keepAlive = max(keepAlive, minKeepAlive)
	e := &events{w: w, done: make(chan struct{})}
	e.wait.Go(func() {
		ticker := time.NewTicker(keepAlive)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = e.write([]byte(": ping\n\n")) // a broken stream ends the query by its context
			case <-e.done:
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return e
}

// stop ends the signs of life and waits for the last one.
func (e *events) stop() {
	close(e.done)
	e.wait.Wait()
}

func (e *events) progress() func(*wire.Result) {
	return func(partial *wire.Result) { _ = e.result("partialResult", partial) }
}

func (e *events) finish(result *wire.Result) error { return e.result("finalResult", result) }

func (e *events) result(name string, result *wire.Result) error {
	var frame bytes.Buffer
	frame.WriteString("event: " + name + "\ndata: ")
	if err := result.WriteJSON(&frame); err != nil {
		e.fail(internal())
		return err
	}
	frame.WriteString("\n\n")
	return e.write(frame.Bytes())
}

// fail ends the stream with an error.
func (e *events) fail(p *wire.Problem) {
	e.mu.Lock()
	if !e.begun {
		e.begun, e.broken = true, errEnded
		writeProblem(e.w, p)
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	body, err := json.Marshal(p)
	if err != nil { // a value that JSON cannot hold
		body, _ = json.Marshal(wire.NewProblem(p.Status, p.Detail))
	}
	_ = e.write([]byte("event: queryError\ndata: " + string(body) + "\n\n"))
}

// errEnded keeps anything from following an answer that is complete.
var errEnded = errors.New("the stream has ended")

// write sends one frame at once. After an error it does nothing.
func (e *events) write(frame []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken != nil {
		return e.broken
	}
	if !e.begun {
		e.begun = true
		h := e.w.Header()
		h.Set("Content-Type", eventStream)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
	}
	if _, e.broken = e.w.Write(frame); e.broken == nil {
		e.broken = http.NewResponseController(e.w).Flush()
	}
	return e.broken
}
