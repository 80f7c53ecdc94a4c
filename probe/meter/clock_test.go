package meter

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

// TestClock lets time pass in bits of a second, sets the wall clock or puts the machine to sleep at some of them, and
// looks at the intervals that come out: stamp, relative to the start, and covered time.
func TestClock(t *testing.T) {
	type event struct {
		at   time.Duration // monotonic
		step time.Duration // of the wall clock
	}
	for name, test := range map[string]struct {
		offset time.Duration // of the start from a border
		events []event
		length time.Duration
		want   []string
	}{
		"aligned":     {0, nil, 11 * time.Minute, []string{"300 5m0s", "600 5m0s", "cut 660 1m0s"}},
		"first short": {100 * time.Second, nil, 6 * time.Minute, []string{"300 3m20s", "cut 460 2m40s"}},
		"forwards an hour, or asleep for it": {0, []event{{2 * time.Minute, time.Hour}}, 10 * time.Minute,
			[]string{"300 2m0s", "3900 3m0s", "4200 5m0s", "cut 4200 0s"}},
		"forwards within the interval": {0, []event{{2 * time.Minute, time.Minute}}, 10 * time.Minute,
			[]string{"300 4m0s", "600 5m0s", "cut 660 1m0s"}},
		"back 10 seconds": {0, []event{{2 * time.Minute, -10 * time.Second}}, 10 * time.Minute,
			[]string{"300 5m10s", "cut 590 4m50s"}},
		"back 33 minutes": {0, []event{{2 * time.Minute, -33 * time.Minute}}, 50 * time.Minute,
			[]string{"300 5m30s", "300 2m30s", "300 5m0s", "300 5m0s", "300 5m0s", "300 5m0s", "300 5m0s", "300 5m0s",
				"600 5m0s", "900 5m0s", "cut 1020 2m0s"}},
		"back two days": {0, []event{{2 * time.Minute, -48 * time.Hour}}, 15 * time.Minute,
			[]string{"300 5m30s", "-172200 4m30s", "-171900 5m0s", "cut -171900 0s"}},
		"a minute back and forth": {0, []event{{time.Minute, -time.Minute}, {2 * time.Minute, time.Minute}}, 10 * time.Minute,
			[]string{"300 5m0s", "600 5m0s", "cut 600 0s"}},
		// The clock was near a border when it was set back, and comes back when that is long past: what was captured
		// meanwhile is time covered, not a loop that came late.
		"back and forth over a border": {299 * time.Second, []event{{500 * time.Millisecond, -10 * time.Minute},
			{320 * time.Second, 10 * time.Minute}}, 8 * time.Minute,
			[]string{"300 5m20s", "cut 779 2m40s"}},
		"slewed, a tenth of a second a minute": {0, []event{{time.Minute, -100 * time.Millisecond}, {2 * time.Minute, -100 * time.Millisecond}},
			10 * time.Minute, []string{"300 5m0s", "cut 600 4m59.8s"}},
	} {
		t.Run(name, func(t *testing.T) {
			const base = 1_700_000_100e9 // a border
			if int64(base)%int64(5*time.Minute) != 0 {
				t.Fatal("base is no border")
			}
			c := clock{interval: 5 * time.Minute}
			wall, events := int64(base)+int64(test.offset), test.events
			c.begin(wall, 0)
			var got []string
			for mono := time.Duration(0); mono < test.length; {
				const tick = 100 * time.Millisecond
				mono += tick
				wall += int64(tick)
				for len(events) > 0 && events[0].at == mono {
					wall += int64(events[0].step)
					events = events[1:]
				}
				if c.due(wall, mono) {
					stamp, covered := c.close(wall, mono)
					got = append(got, fmt.Sprint(stamp-base/1e9, " ", covered))
				} else if c.until(wall, mono) <= 0 {
					t.Fatal("nothing to wait for, and nothing is due")
				}
			}
			stamp, covered := c.cut(wall, test.length)
			got = append(got, fmt.Sprint("cut ", stamp-base/1e9, " ", covered))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestClockLate: a loop that was held up does not stretch the interval, and what it missed of the next one is not
// lost from that.
func TestClockLate(t *testing.T) {
	c := clock{interval: time.Minute}
	c.begin(0, 0)
	late := 90 * time.Second
	if stamp, covered := c.close(int64(late), late); stamp != 60 || covered != time.Minute {
		t.Errorf("got %d, %v", stamp, covered)
	}
	if got := c.elapsed(late); got != 30*time.Second {
		t.Errorf("the next interval began %v ago, want 30s", got)
	}
	if stamp, covered := c.close(int64(late+time.Minute), late+time.Minute); stamp != 120 || covered != time.Minute {
		t.Errorf("got %d, %v", stamp, covered)
	}
}

// TestClockProperties: whatever the wall clock does, covered time adds up to what passed, and stamps go back only
// if the clock was set back by more than an hour.
func TestClockProperties(t *testing.T) {
	random := testenv.Random(t)
	for range 1000 {
		c := clock{interval: time.Duration(1+random.IntN(600)) * time.Second}
		wall, mono := int64(1_700_000_000e9)+random.Int64N(1e12), time.Duration(0)
		c.begin(wall, mono)
		var sum time.Duration
		var last int64
		drifted := time.Duration(0) // jitter and slew below maxDrift may be lost from or added to each interval
		for range 300 {
			wait := min(c.until(wall, mono), time.Duration(random.Int64N(int64(c.interval))))
			wait += time.Duration(random.Int64N(int64(50 * time.Millisecond)))
			wall, mono = wall+int64(wait), mono+wait
			if random.IntN(10) == 0 {
				wall += random.Int64N(int64(100*time.Minute)) - int64(50*time.Minute)
			}
			if !c.due(wall, mono) {
				continue
			}
			stamp, covered := c.close(wall, mono)
			sum += covered
			drifted += maxDrift
			if covered < 0 || covered > c.longest()+100*time.Millisecond {
				t.Fatalf("covered %v of %v", covered, c.interval)
			}
			if stamp < last && last-stamp <= int64(maxStepBack/time.Second) {
				t.Fatalf("stamp %d follows %d", stamp, last)
			}
			last = stamp
		}
		sum += c.elapsed(mono)
		if off := (sum - mono).Abs(); off > drifted {
			t.Fatalf("covered %v of %v", sum, mono)
		}
	}
}
