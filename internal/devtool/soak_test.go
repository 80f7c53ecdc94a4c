package devtool

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSoakRunsAllParts: a part that fails, or takes too long, keeps no other from being run; how long it takes at most
// is said first, what failed last.
func TestSoakRunsAllParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		sleep := func(d time.Duration, err error) func(context.Context) error {
			return func(ctx context.Context) error {
				ran++
				select {
				case <-time.After(d):
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		parts := []soakPart{
			{"first", time.Hour, sleep(time.Second, errors.New("a crash"))},
			{"second", time.Minute, sleep(2*time.Second, nil)},
			{"third", time.Minute, sleep(time.Hour, nil)},
			{"fourth", 0, sleep(time.Second, nil)},
		}
		var said bytes.Buffer
		err := runSoak(t.Context(), &said, parts)
		if err == nil || err.Error() != "soak: 2 of 4 parts failed" || ran != 4 {
			t.Errorf("%v, %d parts were run", err, ran)
		}
		want := `soak: 4 parts, 1h2m0s at most
  FAILED       1s  first: a crash
  FAILED     1m0s  third: more than 1m0s: context deadline exceeded

soak: in 1m4s 2 parts passed, 2 failed, 0 were not run
  ok           2s  second
  ok           1s  fourth
  FAILED       1s  first: a crash
  FAILED     1m0s  third: more than 1m0s: context deadline exceeded
`
		if said.String() != want {
			t.Errorf("said\n%s\nwant\n%s", said.String(), want)
		}
		if err := runSoak(t.Context(), &said, parts[1:2]); err != nil {
			t.Error(err)
		}
	})
}

// TestSoakInterrupted: an interruption ends the part that runs, and those behind it are counted as not run.
func TestSoakInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	parts := []soakPart{
		{"first", time.Hour, func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		}},
		{"second", time.Hour, func(context.Context) error {
			t.Error("the second part ran")
			return nil
		}},
	}
	var said bytes.Buffer
	if err := runSoak(ctx, &said, parts); !errors.Is(err, context.Canceled) || !strings.Contains(said.String(), "0 parts passed, 1 failed, 1 were not run\n") {
		t.Errorf("%v\n%s", err, said.String())
	}
}
