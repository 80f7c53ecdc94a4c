package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// storeModel is a store beside a list of what it has to hold.
type storeModel struct {
	t       *testing.T
	r       *rand.Rand
	files   *vfs.Memory
	store   *Store
	now     int64
	boot    byte
	next    uint64
	content map[string][]visited
	steps   map[string]int
}

var modelInterfaces = []string{"eth0", "wlan0", "a/b"}

// TestStoreModel runs random appends, late data, replays, bulk loads, compactions, retention, reopening and scans against
// a list. With the tag soak it runs for as long as WEIR_SOAK says, ten minutes by default; WEIR_SEED repeats a run.
func TestStoreModel(t *testing.T) {
	seed := testenv.Seed(t)
	long := 2 * time.Second
	if soak {
		long = 10 * time.Minute
		if d, err := time.ParseDuration(os.Getenv("WEIR_SOAK")); err == nil {
			long = d
		}
	}
	for start := time.Now(); time.Since(start) < long; seed++ {
		runModel(t, seed, 250)
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	m := &storeModel{t: t, r: rand.New(rand.NewPCG(seed, 1)), files: vfs.NewMemory(), now: noon,
		content: map[string][]visited{}, steps: map[string]int{}}
	m.open()
	for step := range steps {
		name := m.step()
		m.steps[name]++
		if t.Failed() {
			t.Fatalf("seed %d, step %d, %s", seed, step, name)
		}
	}
	for _, iface := range modelInterfaces {
		m.scan(iface, 1, maxEnd)
	}
	if t.Failed() {
		t.Fatalf("seed %d, at the end", seed)
	}
	_ = m.store.Close()
	t.Logf("seed %d: %v", seed, m.steps)
}

func (m *storeModel) open() {
	var err error
	m.boot++
	cfg := Config{Path: "/db", Retention: Retention{MaxAge: Age(2+m.r.IntN(4)) * dayLength}}
	m.store, err = Open(cfg, Deps{FS: m.files, Logger: quiet, Now: func() time.Time { return time.Unix(m.now, 0) }})
	if err != nil {
		m.t.Fatal(err)
	}
}

// block makes a new interval that ends now or earlier.
func (m *storeModel) block() visited {
	m.next++
	end := m.now
	switch m.r.IntN(8) {
	case 0:
		end -= m.r.Int64N(3 * secondsPerDay) // late
	case 1:
		end = end / secondsPerDay * secondsPerDay // of the day that ends with it
	case 2:
		end += m.r.Int64N(7200) // the clock was ahead
	}
	v := visited{interval(end, m.next), randomRecords(m.r, m.r.IntN(12))}
	v.Interval.Boot[3] = m.boot
	v.Interval.Duration = time.Duration(m.r.IntN(600)) * time.Second
	return v
}

// step does something and says what.
func (m *storeModel) step() string {
	iface := modelInterfaces[m.r.IntN(len(modelInterfaces))]
	switch n := m.r.IntN(100); {
	case n < 50:
		m.now += m.r.Int64N(2400)
		v := m.block()
		mustAppend(m.t, m.store, iface, v.Interval, v.Records)
		m.content[iface] = append(m.content[iface], v)
		return "append"
	case n < 55:
		if all := m.content[iface]; len(all) > 0 {
			v := all[m.r.IntN(len(all))]
			mustAppend(m.t, m.store, iface, v.Interval, v.Records)
		}
		return "replay"
	case n < 60:
		m.load(iface)
		return "load"
	case n < 75:
		mustCompact(m.t, m.store, CompactOptions{All: m.r.IntN(4) == 0})
		return "compact"
	case n < 80:
		m.prune()
		return "prune"
	case n < 85:
		_ = m.store.Close()
		m.open()
		return "reopen"
	case n < 88:
		_ = m.store.Close()
		m.files = m.files.Crash(nil)
		m.open()
		return "power loss"
	default:
		first := m.now - m.r.Int64N(5*secondsPerDay)
		m.scan(iface, first, first+m.r.Int64N(2*secondsPerDay))
		return "scan"
	}
}

// load brings intervals in at once, some of which are there.
func (m *storeModel) load(iface string) {
	l, err := m.store.NewLoader(iface)
	if err != nil {
		m.t.Fatal(err)
	}
	l.most = 4000
	for range m.r.IntN(10) {
		v, isNew := m.block(), true
		if all := m.content[iface]; len(all) > 0 && m.r.IntN(4) == 0 {
			v, isNew = all[m.r.IntN(len(all))], false
		}
		if added, err := l.Append(m.t.Context(), v.Interval, v.Records); err != nil || added != isNew {
			m.t.Errorf("load %+v: %v, %v, want %v", v.Interval, added, err, isNew)
		}
		if isNew {
			m.content[iface] = append(m.content[iface], v)
		}
	}
	done := l.Close
	if m.r.IntN(2) == 0 {
		done = l.Flush
	}
	if err := done(m.t.Context()); err != nil {
		m.t.Error(err)
	}
}

// prune deletes the days that the report names from the list, too.
func (m *storeModel) prune() {
	report := mustPrune(m.t, m.store, false)
	gone := map[string]bool{}
	for _, d := range report.Days {
		gone[d.Day] = true
	}
	for iface, all := range m.content {
		m.content[iface] = slices.DeleteFunc(all, func(v visited) bool { return gone[dayOf(v.Interval.End).String()] })
	}
}

// scan compares a span, and the coverage with it.
func (m *storeModel) scan(iface string, first, last int64) {
	what := fmt.Sprintf("%s from %d to %d", iface, first, last)
	got, stats := scanOrdered(m.t, m.store, iface, first, last)
	want := slices.DeleteFunc(slices.Clone(m.content[iface]), func(v visited) bool { return v.Interval.End < first || v.Interval.End > last })
	if diff := contentOf(m.t, want, what).difference(contentOf(m.t, got, what)); diff != "" || stats.Corrupted != 0 {
		m.t.Errorf("%s: %+v\n%s", what, stats, diff)
	}
	wantLast := int64(0)
	for _, v := range m.content[iface] {
		wantLast = max(wantLast, v.Interval.End)
	}
	if _, last, err := m.store.Coverage(iface); last != wantLast || err != nil {
		m.t.Errorf("%s: coverage until %d, want %d (%v)", iface, last, wantLast, err)
	}
}

// TestViewsWhileFilesMove scans, in this process and as another one would, while the store appends, compacts and
// prunes: every scan sees all that was acknowledged before it began and is not to be deleted, and nothing twice.
func TestViewsWhileFilesMove(t *testing.T) {
	files := vfs.NewMemory()
	s := openClocked(t, files, noon)
	other := mustOpen(t, files, Config{ReadOnly: true})
	var mu sync.Mutex
	acknowledged := map[int64]int{}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	scanner := func(s *Store) {
		for ctx.Err() == nil {
			mu.Lock()
			due := make(map[int64]int, len(acknowledged))
			for end, rows := range acknowledged {
				due[end] = rows
			}
			mu.Unlock()
			got := map[int64]int{}
			stats, err := s.Scan(t.Context(), "eth0", 1, maxEnd, func(iv flow.Interval, records []flow.Record) error {
				got[iv.End] += len(records)
				return nil
			})
			if err != nil || stats.Corrupted != 0 {
				t.Errorf("%+v, %v", stats, err)
				return
			}
			for end, rows := range due {
				if got[end] != rows {
					t.Errorf("interval %d has %d rows in a scan, %d were appended", end, got[end], rows)
					return
				}
			}
		}
	}
	for range 2 {
		group.Go(func() { scanner(s.Store) })
		group.Go(func() { scanner(other) })
	}
	r := rand.New(rand.NewPCG(2, 2))
	rounds := 80
	if soak {
		rounds = 20_000
	}
	for i := range rounds {
		end := noon + int64(i)*1800
		rows := randomRecords(r, 5)
		mustAppend(t, s.Store, "eth0", interval(end, uint64(i)), rows)
		mu.Lock()
		acknowledged[end] = len(rows)
		mu.Unlock()
		mustCompact(t, s.Store, CompactOptions{All: i%3 == 0})
		s.now = end + 1200
	}
	stop()
	group.Wait()
}
