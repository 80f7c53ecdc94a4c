package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/weirflow/weir/pkg/render"
)

// How often progress is shown: on a terminal, where it stays on its line, and elsewhere.
const (
	terminalPeriod = 500 * time.Millisecond
	filePeriod     = 15 * time.Second
)

// progress shows on standard error how far a long work is, its rate and the time left.
type progress struct {
	out      io.Writer
	terminal bool
	total    uint64 // 0: unknown

	unit  string
	done  func() uint64
	begin time.Time

	mu    sync.Mutex // guards what is on the line
	line  bool
	end   chan struct{} // nil: not started, or stopped
	ended chan struct{}
}

func newProgress(out io.Writer) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// start begins to show; done says how much of total is done.
func (p *progress) start(unit string, done func() uint64) {
	p.unit, p.done, p.begin = unit, done, time.Now()
	p.end, p.ended = make(chan struct{}), make(chan struct{})
	period := filePeriod
	if p.terminal {
		period = terminalPeriod
	}
	go func() {
		defer close(p.ended)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-p.end:
				return
			case <-ticker.C:
				p.show(time.Since(p.begin))
			}
		}
	}()
}

// setTotal says, once it is known, how much there is to do.
func (p *progress) setTotal(total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = total
}

// stop ends showing and leaves the line empty.
func (p *progress) stop() {
	if p.end == nil {
		return
	}
	close(p.end)
	<-p.ended
	p.end = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *progress) show(passed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	fmt.Fprint(p.out, p.text(p.done(), passed))
	if p.line = p.terminal; !p.line {
		fmt.Fprintln(p.out)
	}
}

// text is the state in words.
func (p *progress) text(done uint64, passed time.Duration) string {
	rate := float64(done) / max(passed.Seconds(), 1e-3)
	text := fmt.Sprintf("%s %s, %s/s", render.Count(done), p.unit, render.Count(uint64(rate)))
	if p.total > 0 && done > 0 && done <= p.total {
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second))
		text = fmt.Sprintf("%d %% of %s %s, %s/s, %s left", 100*done/p.total, render.Count(p.total), p.unit,
			render.Count(uint64(rate)), render.Duration(left.Round(time.Second)))
	}
	return text
}

// note writes a note above the line.
func (p *progress) note(a *app, format string, arguments ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	a.note(format, arguments...)
}

// wipe clears the line on a terminal.
func (p *progress) wipe() {
	if p.line {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.line = false
	}
}
