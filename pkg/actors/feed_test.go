package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "9.9.%d.%d\n", i/250, i%250)
	}
	return b.String()
}

// What is worse never takes the place of what is better, and Health says why.
func TestFeed(t *testing.T) {
	var text string
	var fault error
	var puts []int
	f, err := NewFeed(FeedConfig{Name: "c2", Every: time.Minute}, FeedDeps{
		Read: func(context.Context) ([]byte, error) { return []byte(text), fault },
		Put:  func(l *List, name string) error { puts = append(puts, l.Len()); return nil },
		Now:  func() time.Time { return time.Unix(1795238400, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text    string
		fault   error
		changed bool
		state   Grade
		entries int
		says    string
	}{
		{"", errors.New("no such file"), false, StateAlarm, 0, "it was never read: no such file"},
		{"# nothing\n", nil, false, StateAlarm, 0, "holds no address"},
		{many(100), nil, true, StateOK, 100, ""},
		{many(100), nil, false, StateOK, 100, ""},
		{many(30), nil, true, StateOK, 30, ""},
		{many(7), nil, false, StateWarning, 30, "7 entries where there were 30"},
		{"", nil, false, StateWarning, 30, "holds no address"},
		{"9.9.9.9\n<html>\n<body>\n", nil, false, StateWarning, 30, "2 of 3 lines could not be read"},
		{"", errors.New("timeout"), false, StateWarning, 30, "last read at 2026-11-21 05:20:00: since then timeout"},
		{many(31), nil, true, StateOK, 31, ""},
	} {
		text, fault = step.text, step.fault
		changed, err := f.Load(t.Context())
		h := f.Health()
		said := strings.Join(h.Warnings, "; ")
		if changed != step.changed || (err != nil) != (step.says != "") || h.State != step.state || h.Entries != step.entries || !strings.Contains(said, step.says) || h.Name != "c2" {
			t.Errorf("%.20q, %v: changed %v, %v: %s, %d entries, %s", step.text, step.fault, changed, err, h.State, h.Entries, said)
		}
	}
	if fmt.Sprint(puts) != "[100 30 31]" || f.List().Len() != 31 {
		t.Errorf("handed on %v", puts)
	}
	for _, cfg := range []FeedConfig{{Every: time.Minute}, {Name: "x"}, {Name: "x", Every: time.Minute, Format: "xml"}} {
		if _, err := NewFeed(cfg, f.deps); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	if _, err := NewFeed(FeedConfig{Name: "x", Every: time.Minute}, FeedDeps{}); err == nil {
		t.Error("a feed without a reader is taken")
	}
}

func TestFeedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, puts := 0, 0
		cfg := DefaultFeedConfig()
		cfg.Name = "c2"
		f, err := NewFeed(cfg, FeedDeps{
			Read: func(context.Context) ([]byte, error) {
				if reads++; reads == 2 {
					return nil, errors.New("down")
				}
				return []byte(many(min(reads, 3))), nil
			},
			Put: func(*List, string) error { puts++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour+time.Minute)
		defer cancel()
		if err := f.Run(ctx); err != nil || reads != 5 || puts != 2 {
			t.Errorf("%v after %d reads, %d new lists", err, reads, puts)
		}
	})
}
