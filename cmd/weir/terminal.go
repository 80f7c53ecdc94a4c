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

// terminalSize is the size of the terminal that w writes to, 0 if it is none. One that does not know its size counts
// as 80 × 24, unless COLUMNS and LINES say otherwise.
func (a *app) terminalSize(w io.Writer) (columns, rows int) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		columns, _ = strconv.Atoi(a.getenv("COLUMNS")) // 0 counts as not set
		rows, _ = strconv.Atoi(a.getenv("LINES"))
	}
	return cmp.Or(max(columns, 0), 80), cmp.Or(max(rows, 0), 24)
}

// columns is the width of the terminal that w writes to, 0 if it is none.
func (a *app) columns(w io.Writer) int {
	if a.size == nil {
		return 0
	}
	columns, _ := a.size(w)
	return columns
}

// terminalKeys makes keys come as they are pressed, until restore is called. Without a terminal there are none.
func terminalKeys() (pressed <-chan byte, restore func()) {
	input := int(os.Stdin.Fd())
	before, err := term.MakeRaw(input)
	if err != nil {
		return nil, func() {}
	}
	keys := make(chan byte)
	go func() { // ends with the program
		var key [1]byte
		for {
			if _, err := os.Stdin.Read(key[:]); err != nil {
				return
			}
			keys <- key[0]
		}
	}()
	return keys, func() { _ = term.Restore(input, before) } // there is nobody to tell
}

// colourful says whether to colour what stands on standard output, which is a terminal (https://no-color.org).
func (a *app) colourful() bool {
	return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// onTerminal makes a view fit the terminal, if standard output is one.
func (a *app) onTerminal(v *render.View) {
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
