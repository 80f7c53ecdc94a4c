package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// countingFS counts the bytes that are read of each file.
type countingFS struct {
	vfs.FS
	mu   sync.Mutex
	read map[string]uint64 // by base name
}

type countingFile struct {
	vfs.File
	fs   *countingFS
	name string
}

func (c *countingFS) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return countingFile{f, c, filepath.Base(name)}, nil
}

func (f countingFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.read[f.name] += uint64(n)
	return n, err
}

// reset begins anew.
func (c *countingFS) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = map[string]uint64{}
}

// explainedStore makes a store with the segments of two days, two parts of the current one, and a log.
func explainedStore(t *testing.T) *countingFS {
	t.Helper()
	files := &countingFS{FS: vfs.NewMemory(), read: map[string]uint64{}}
	s, err := store.Open(store.Config{Path: "/db"}, store.Deps{FS: files, Now: func() time.Time { return time.Unix(noon+600, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(7, 7))
	sequence := uint64(0)
	add := func(ends ...int64) {
		for _, end := range ends {
			rows := map[flow.Key]flow.Counters{}
			for range 4000 {
				rec := record(0x0a000000+r.Uint32N(2000), 0xc0a80000+r.Uint32N(9000), uint16(1+r.UintN(400)), flow.TCP, 1+r.Uint64N(1<<20))
				rows[rec.Key] = rec.Counters
			}
			var records []flow.Record
			for k, c := range rows {
				records = append(records, flow.Record{Key: k, Counters: c})
			}
			sequence++
			iv := flow.Interval{End: end, Duration: 5 * time.Minute, Boot: [16]byte{1}, Sequence: sequence}
			if err := s.Append(t.Context(), "eth0", iv, records); err != nil {
				t.Fatal(err)
			}
		}
	}
	compact := func(o store.CompactOptions) {
		if report, err := s.Compact(t.Context(), o); err != nil || len(report.Faults) > 0 {
			t.Fatal(err, report.Faults)
		}
	}
	for _, day := range []int64{2, 1} {
		add(noon-day*daySeconds, noon-day*daySeconds+300, noon-day*daySeconds+3600)
	}
	add(noon - 7200)
	compact(store.CompactOptions{All: true})
	add(noon - 3600)
	compact(store.CompactOptions{All: true})
	add(noon, noon+300)
	return files
}

// TestExplainedBytes: what an explanation says was read is what was read, of each file and in all, be it by the first query
// that opens them or one that finds them open.
func TestExplainedBytes(t *testing.T) {
	files := explainedStore(t)
	first := fmt.Sprint(noon - 2*daySeconds - 600)
	for _, c := range []struct {
		name    string
		method  string // of a segment
		request wire.Request
	}{
		{"rollups", "rollup", wire.Request{Query: "dport,proto", First: first}},
		{"totals", "totals", wire.Request{Query: "time", First: first}},
		{"sums by source", "sources", wire.Request{Query: "sip", First: first}},
		{"a look-up of a source", "sums", wire.Request{Query: "sip,dip", Condition: "sip = 10.0.0.77", First: first}},
		{"a look-up in postings", "sums", wire.Request{Query: "sip,dip", Condition: "dip = 192.168.0.99", First: first}},
		{"a look-up of nobody", "skipped", wire.Request{Query: "sip,dip", Condition: "dip = 1.1.1.1", First: first}},
		{"all rows", "sums", wire.Request{Query: "sip,dip,dport,proto", First: first, NumResults: 1 << 16}},
		{"rows of a part of a day", "rows", wire.Request{Query: "sip,dip", First: fmt.Sprint(noon - daySeconds + 300)}},
		{"the log", "rows", wire.Request{Query: "sip", First: fmt.Sprint(noon + 200)}},
		{"a series", "sources", wire.Request{Query: "time,sip", Series: true, TimeResolution: "24h", First: first, NumResults: 5, Merge: true}},
		{"seen", "sums", wire.Request{Query: "sip,dip", Seen: true, First: first, NumResults: 5}},
		{"comparison", "sums", wire.Request{Query: "sip,dip", Compare: "1d", First: fmt.Sprint(noon - daySeconds - 600), Last: fmt.Sprint(noon - 3600), NumResults: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := store.Open(store.Config{Path: "/db", ReadOnly: true}, store.Deps{FS: files})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			e := engine(t, Deps{Stored: Stored(s), Now: func() time.Time { return time.Unix(noon+700, 0) }})
			c.request.Explain = true
			for _, how := range []string{"cold", "warm"} {
				files.reset()
				result, err := e.Query(context.Background(), prepare(t, c.request))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(result.Summary.Explain.Steps, func(s wire.ExplainStep) bool { return s.Method == c.method }) {
					t.Errorf("%s: no step is answered from %s: %+v", how, c.method, result.Summary.Explain.Steps)
				}
				holdExplained(t, how, result, files)
			}
		})
	}
}

// holdExplained compares an explanation with what was read.
func holdExplained(t *testing.T, how string, result *wire.Result, files *countingFS) {
	t.Helper()
	said := map[string]uint64{}
	for _, step := range result.Summary.Explain.Steps {
		name := filepath.Base(step.Source)
		if strings.HasSuffix(step.Source, " log") {
			name = time.Unix(noon, 0).UTC().Format(time.DateOnly) + ".wlog"
		}
		said[name] += step.BytesRead
	}
	all := uint64(0)
	for name, n := range files.read {
		all += n
		if _, step := said[name]; !step && n < 1<<13 {
			continue // a segment that has nothing of the span, as its end says
		}
		if said[name] != n {
			t.Errorf("%s: %d bytes of %s are explained, %d were read", how, said[name], name, n)
		}
	}
	if e := result.Summary.Explain; e.BytesRead != all || result.Summary.Stats.BytesLoaded != all {
		t.Errorf("%s: %d bytes are explained, %d stand in the cost, %d were read", how, e.BytesRead, result.Summary.Stats.BytesLoaded, all)
	}
}
