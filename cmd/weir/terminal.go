package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/weirflow/weir/pkg/render"
)

// terminalColumns is the width of the terminal that w writes to, 0 if it is none. One that does not know its width
// counts as 80 columns, unless COLUMNS says otherwise.
func (a *app) terminalColumns(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		width, _ = strconv.Atoi(a.getenv("COLUMNS")) // 0 counts as not set
	}
	return cmp.Or(max(width, 0), 80)
}

// colourful says whether to colour what stands on standard output, which is a terminal (https://no-color.org).
func (a *app) colourful() bool {
	return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// onTerminal makes a view fit the terminal, if standard output is one.
func (a *app) onTerminal(v *render.View) {
	if a.columns == nil {
		return
	}
	if v.Width = a.columns(a.stdout); v.Width > 0 {
		v.Colour = a.colourful()
	}
}

// What a person waits for in silence, and how often the line changes after that.
const (
	progressAfter = time.Second
	progressEvery = 500 * time.Millisecond
)

// progress shows on the terminal of standard error what is being done, after a while. The function that it returns
// takes the line away again and must be called before anything else is written. State is called from a goroutine.
func (a *app) progress(state func() string) (stop func()) {
	if a.columns == nil {
		return func() {}
	}
	width := a.columns(a.stderr)
	if width == 0 {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		start := time.Now()
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		for shown := false; ; shown = true {
			select {
			case <-done:
				if shown {
					fmt.Fprint(a.stderr, "\r\x1b[K")
				}
				return
			case <-timer.C:
			}
			line := []rune(fmt.Sprintf("%s, %s", render.Line(state()), time.Since(start).Truncate(progressEvery)))
			fmt.Fprintf(a.stderr, "\r\x1b[K%s", string(line[:min(len(line), width-1)]))
			timer.Reset(progressEvery)
		}
	}()
	return func() {
		close(done)
		<-gone
	}
}
