package capture

import (
	"testing"
	"time"
)

// TestPace: the reader of a ring that fills fast pauses for a part of it, one of a ring that fills slowly does not, nor one
// that found nothing since it last waited. Traffic that sets in while it pauses does not fill the ring.
func TestPace(t *testing.T) {
	const ring = 32
	const large = 1 << 20
	for name, c := range map[string]struct {
		passed       time.Duration
		blocks, size int
		pause, lasts time.Duration
	}{
		"full rate":        {4 * time.Millisecond, 4, large, 8 * time.Millisecond, 32 * time.Millisecond},
		"a block each 4ms": {16 * time.Millisecond, 4, large, 32 * time.Millisecond, 128 * time.Millisecond},
		"no longer":        {40 * time.Millisecond, 2, large, maxPause, 640 * time.Millisecond},
		"small ring":       {40 * time.Millisecond, 2, 64 << 10, 3906250, 640 * time.Millisecond},
		"blocks of age":    {100 * time.Millisecond, 1, large, 0, 0},
		"few":              {26 * time.Millisecond, 1, large, 0, 0},
		"nothing":          {10 * time.Millisecond, 0, large, 0, 0},
	} {
		start := time.Now()
		p := pace{since: start, blocks: c.blocks}
		pause, lasts := p.pause(start.Add(c.passed), ring, c.size)
		if pause != c.pause || lasts != c.lasts {
			t.Errorf("%s: pause %v, lasts %v; want %v, %v", name, pause, lasts, c.pause, c.lasts)
		}
		if pause, _ := p.pause(start.Add(c.passed), ring, c.size); pause != 0 {
			t.Errorf("%s: another pause of %v behind the first, without a block", name, pause)
		}
	}
	if pause, _ := (&pace{blocks: 3}).pause(time.Now(), ring, large); pause != 0 {
		t.Errorf("the first wait is a pause of %v", pause)
	}
}

// TestPause: a pause does not end when a block comes, by itself or by the poller, but does when the reader is called; the wait after it
// sees the block.
func TestPause(t *testing.T) {
	withProcessors(t, SpareProcessors+1)
	w, first, second := newTestWaiter(t)
	for _, alone := range []bool{true, false} {
		tell(t, first)
		begin := time.Now()
		called, err := w.pause(shortWait, alone)
		if passed := time.Since(begin); called || err != nil || passed < shortWait-time.Millisecond {
			t.Errorf("alone %t: called %t, %v, after %v", alone, called, err, passed)
		}
		if a, b, err := w.wait(-1); a == 0 || b != 0 || err != nil {
			t.Errorf("alone %t: the wait behind it: %d, %d, %v", alone, a, b, err)
		}
		silence(t, first)
		begin = time.Now()
		if alone { // for a few milliseconds, in which a loaded machine may let nobody else run
			tell(t, second)
		} else {
			time.AfterFunc(time.Millisecond, func() { tell(t, second) })
		}
		called, err = w.pause(time.Minute, alone)
		if !called || err != nil || time.Since(begin) > 30*time.Second {
			t.Errorf("alone %t: called %t, %v", alone, called, err)
		}
		silence(t, second)
		if called, err := w.pause(time.Millisecond, alone); called || err != nil {
			t.Errorf("alone %t: called %t again, %v", alone, called, err)
		}
	}
}
