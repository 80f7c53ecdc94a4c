package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	const clear = "\r\x1b[K"
	for name, test := range map[string]struct {
		columns int
		takes   time.Duration
		want    string
	}{
		"fast":        {80, 900 * time.Millisecond, ""},
		"slow":        {80, 2100 * time.Millisecond, clear + "reading\\x1b, 1s" + clear + "reading\\x1b, 1.5s" + clear + "reading\\x1b, 2s" + clear},
		"narrow":      {8, 1100 * time.Millisecond, clear + "reading" + clear},
		"no terminal": {0, 5 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b strings.Builder
				a := &app{stderr: &b, size: func(io.Writer) (int, int) { return test.columns, 24 }}
				stop := a.progress(func() string { return "reading\x1b" })
				time.Sleep(test.takes)
				stop()
				if b.String() != test.want {
					t.Errorf("%q, want %q", b.String(), test.want)
				}
			})
		})
	}
}
