package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/render"
)

// What moves on a terminal (ECMA-48, and the alternate screen of xterm).
const (
	screenOn  = "\x1b[?1049h\x1b[?25l\x1b[?7l" // without cursor, lines that are too long end at the margin
	screenOff = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home      = "\x1b[H"
	lineRest  = "\x1b[K"
	below     = "\x1b[J"
)

// watcher shows a picture on a screen of its own and refreshes it in place until somebody ends it. It leaves the last
// one behind.
type watcher struct {
	app     *app
	title   func() string
	help    string // on keys
	every   time.Duration
	picture string // the first one
	ask     func(context.Context) (string, error)
	key     func(byte) bool // says whether the picture is to be refreshed at once; nil: there are no keys but q

	trouble string // why the picture was not refreshed
	line    *line  // being edited, or nil
}

// line is one that is being edited.
type line struct {
	prompt, text string
	done         func(string) error
}

// run watches until ctx ends or the key q is pressed.
func (w *watcher) run(ctx context.Context) error {
	keys, restore := w.app.keys()
	fmt.Fprint(w.app.stdout, screenOn)
	defer func() {
		restore()
		fmt.Fprint(w.app.stdout, screenOff+w.picture)
	}()
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		w.draw()
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			switch {
			case w.line != nil:
				if !w.typed(key) {
					continue
				}
			case key == 'q' || key == 'Q' || key == controlC:
				return nil
			case w.key == nil || !w.key(key) || w.line != nil:
				continue
			}
		case <-ticker.C:
		}
		next, err := w.ask(ctx)
		if w.trouble = ""; err != nil {
			w.trouble = "not refreshed: " + render.Line(err.Error())
			continue
		}
		w.picture = next
	}
}

// The keys that are not letters.
const (
	controlC  = 'C' & 0x1f
	escape    = 0x1b
	enter     = '\r'
	backspace = 0x7f
	controlH  = 'H' & 0x1f
	controlU  = 'U' & 0x1f
)

// maxLine bounds what can be typed.
const maxLine = 4096

// edit lets somebody change a text; done gets it, and its error is shown.
func (w *watcher) edit(prompt, text string, done func(string) error) {
	w.line, w.trouble = &line{prompt, text, done}, ""
}

// typed takes a key into the line that is being edited, and says whether something else is to be shown now.
func (w *watcher) typed(key byte) bool {
	l := w.line
	switch key {
	case escape, controlC:
		w.line = nil
	case enter, '\n':
		w.line = nil
		if err := l.done(strings.TrimSpace(l.text)); err != nil {
			w.line, w.trouble = l, render.Line(strings.ReplaceAll(err.Error(), "\n", "; "))
			return false
		}
		return true
	case backspace, controlH:
		if runes := []rune(l.text); len(runes) > 0 {
			l.text = string(runes[:len(runes)-1])
		}
	case controlU:
		l.text = ""
	default:
		if key >= ' ' && len(l.text) < maxLine {
			l.text += string([]byte{key})
		}
	}
	return false
}

// draw writes what fits on the screen.
func (w *watcher) draw() {
	_, rows := w.app.size(w.app.stdout)
	head := fmt.Sprintf("%s at %s, %s", w.title(), w.app.now().Format("15:04:05"), w.help)
	if w.line != nil {
		head = w.line.prompt + render.Line(w.line.text) + "_"
	}
	if w.trouble != "" {
		head += "; " + w.trouble
	}
	lines := append([]string{head, ""}, strings.Split(strings.TrimRight(w.picture, "\n"), "\n")...)
	lines = lines[:min(len(lines), rows)]
	fmt.Fprint(w.app.stdout, home+strings.Join(lines, lineRest+"\r\n")+lineRest+below)
}
