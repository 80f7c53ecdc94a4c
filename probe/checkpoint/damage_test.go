package checkpoint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// FuzzRead: whatever the bytes, reading ends, takes bounded memory, and a prefix never says more than the whole.
func FuzzRead(f *testing.F) {
	f.Add(image(f))
	f.Add([]byte(magic + "\x02\x00\x00\x00"))
	f.Add(append(appendMagic(nil), headBlock(head)...))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := read(strings.NewReader(string(file)))
		if err != nil {
			return
		}
		u := c.unfinished()
		for i, r := range u.Records {
			if r.Key.Family != flow.IPv4 && r.Key.Family != flow.IPv6 {
				t.Fatalf("record %d has family %d", i, r.Key.Family)
			}
		}
		half, err := read(strings.NewReader(string(file[:len(file)/2])))
		if err == nil && (half.commits > c.commits || len(half.sums) > len(c.sums)) {
			t.Fatal("half of the file holds more than all of it")
		}
	})
}

// image is the file that fill writes.
func image(t testing.TB) []byte {
	t.Helper()
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	fill(t, l)
	must(t, l.Seal(head.End, 5*time.Minute))
	f, err := files.Open(l.path)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	return b
}

// prefixes are what may come out of a damaged image: the state after 0, 1, 2, 3 checkpoints, and sealed.
func prefixes(t *testing.T, file []byte) []string {
	t.Helper()
	var states []string
	whole, err := read(strings.NewReader(string(file)))
	must(t, err)
	last := ""
	for n := range len(file) + 1 {
		c, err := read(strings.NewReader(string(file[:n])))
		if err != nil {
			continue
		}
		u := c.unfinished()
		u.Torn = false
		if text := fmt.Sprint(u); text != last {
			states, last = append(states, text), text
		}
	}
	if u := whole.unfinished(); len(states) != 5 || states[4] != fmt.Sprint(u) {
		t.Fatalf("cuts gave %d states, want 5", len(states))
	}
	return states
}

// TestDamage cuts the file at every byte and flips every bit: what comes out is always one of the states there were.
func TestDamage(t *testing.T) {
	file := image(t)
	states := prefixes(t, file)
	for i := range file {
		for bit := range 8 {
			damaged := slices.Clone(file)
			damaged[i] ^= 1 << bit
			c, err := read(strings.NewReader(string(damaged)))
			if err != nil {
				continue
			}
			u := c.unfinished()
			if !u.Torn {
				t.Fatalf("bit %d of byte %d: damage was not seen", bit, i)
			}
			u.Torn = false
			if !slices.Contains(states, fmt.Sprint(u)) {
				t.Fatalf("bit %d of byte %d gave a state that never was: %v", bit, i, u)
			}
		}
	}
}

// TestCrash stops the machine at every operation, with what was not synced surviving or not: every checkpoint that
// was acknowledged is there.
func TestCrash(t *testing.T) {
	for stop := 0; ; stop++ {
		files := vfs.NewMemory()
		files.StopAfter(stop)
		acknowledged := uint64(0)
		l, err := Create(files, dir, head)
		for i := uint64(1); err == nil && i <= 4; i++ {
			if _, err = appendTo(l, state(time.Duration(i)*time.Second, i), map[uint32]flow.Record{3: record("192.0.2.1", "192.0.2.2", 1, i)}); err == nil {
				acknowledged = i
			}
		}
		for _, random := range []*rand.Rand{nil, rand.New(rand.NewPCG(uint64(stop), 1)), rand.New(rand.NewPCG(uint64(stop), 2))} {
			after := files.Crash(random)
			var got uint64
			if err := Recover(after, dir, func(u Unfinished) error {
				got = u.Interval.Accounting.Metered
				if len(u.Records) != 1 || u.Records[0].Counters.PacketsReceived != got {
					t.Errorf("stop %d: records and accounting disagree: %+v", stop, u)
				}
				return nil
			}); err != nil {
				t.Fatalf("stop %d: %v", stop, err)
			}
			if got < acknowledged || got > acknowledged+1 {
				t.Fatalf("stop %d: recovered checkpoint %d, acknowledged %d", stop, got, acknowledged)
			}
		}
		if err == nil {
			return
		}
	}
}
