package segment

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// shapes are kinds of days.
func shapes(r *rand.Rand) map[string]*generator {
	return map[string]*generator{
		"plain":     {r: r, hosts: 50, outside: 3000, stamps: 288},
		"extra":     {r: r, hosts: 10, outside: 100, stamps: 288, extra: true, foldEvery: 30},
		"overflow":  {r: r, hosts: 3, outside: 20, stamps: 24, overflow: true, extra: true},
		"seconds":   {r: r, hosts: 5, outside: 50, stamps: 86400},
		"one stamp": {r: r, hosts: 20, outside: 200, stamps: 1},
		"many":      {r: r, hosts: 3000, outside: 9000, stamps: 12},
	}
}

// TestWhatIsWrittenIsRead also holds that rows do not depend on how a segment is cut.
func TestWhatIsWrittenIsRead(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
		for _, n := range []int{0, 1, 2, 500, 8000} {
			rows, blocks := g.rows(n), testBlocks(r, 24)
			want := summed(rows)
			for _, config := range []Config{DefaultConfig(), {ChunkTuples: 1 + r.IntN(300), ChunkRows: 1 + r.IntN(1000), RollupRows: 20}} {
				s := opened(t, written(t, config, blocks, rows))
				if got := mustRead(t, s); !slices.Equal(got, want) {
					t.Fatalf("%s, %d rows, %+v (-want +got):\n%s", name, n, config, cmp.Diff(want, got))
				}
				checkSums(t, s, want, config)
				if got, err := s.Blocks(); err != nil || !slices.Equal(got, blocks) {
					t.Fatalf("%s: blocks %v:\n%s", name, err, cmp.Diff(blocks, got))
				}
			}
		}
	}
}

// checkSums compares all sums that a segment holds with its rows.
func checkSums(t *testing.T, s *Reader, rows []Row, config Config) {
	t.Helper()
	var total, folded flow.Counters
	foldedAt := map[int64]bool{}
	byService, byStamp := map[Service]*ServiceTotal{}, map[int64]*[2]StampTotal{}
	cells := map[Service]map[int64]flow.Counters{}
	for i, row := range rows {
		total.Add(row.Counters)
		if row.Key.Folded() {
			folded.Add(row.Counters)
			foldedAt[row.Stamp] = true
		}
		service := Service{row.Key.Protocol, row.Key.DestinationPort}
		if byService[service] == nil {
			byService[service], cells[service] = &ServiceTotal{}, map[int64]flow.Counters{}
		}
		if byStamp[row.Stamp] == nil {
			byStamp[row.Stamp] = &[2]StampTotal{}
		}
		of := byService[service]
		if i == 0 || rows[i-1].Key != row.Key {
			of.Tuples++
		}
		of.Rows++
		of.Counters.Add(row.Counters)
		at := &byStamp[row.Stamp][0]
		if row.Key.Family == flow.IPv6 {
			at = &byStamp[row.Stamp][1]
		}
		at.Rows++
		at.Counters.Add(row.Counters)
		cell := cells[service][row.Stamp]
		cell.Add(row.Counters)
		cells[service][row.Stamp] = cell
	}
	if s.Totals() != total || s.Folded().Counters != folded || s.Folded().Intervals != int64(len(foldedAt)) {
		t.Fatalf("totals %+v, %+v; want %+v, %+v at %d", s.Totals(), s.Folded(), total, folded, len(foldedAt))
	}
	services, err := s.Services()
	if err != nil {
		t.Fatal(err)
	}
	totals, err := s.ServiceTotals()
	if err != nil || len(services) != len(byService) {
		t.Fatalf("%d services, want %d, %v", len(services), len(byService), err)
	}
	stamps, err := s.Stamps()
	if err != nil {
		t.Fatal(err)
	}
	count, err := s.RollupCount()
	if err != nil {
		t.Fatal(err)
	}
	for rank, service := range services {
		if totals[rank] != *byService[service] {
			t.Fatalf("%v: %+v, want %+v", service, totals[rank], *byService[service])
		}
		var rollup Rollup
		stored, err := s.ServiceRollup(uint32(rank), &rollup)
		if err != nil || stored != (rank < count) || (!stored && totals[rank].Rows >= config.RollupRows) {
			t.Fatalf("rollup of %v with %d rows: %t, %v", service, totals[rank].Rows, stored, err)
		}
		for i, stamp := range rollup.Stamps {
			if want := cells[service][stamps[stamp]]; rollup.Counters[i] != want {
				t.Fatalf("rollup of %v: %+v, want %+v", service, rollup.Counters[i], want)
			}
			delete(cells[service], stamps[stamp])
		}
		for _, c := range cells[service] {
			if stored && c != (flow.Counters{}) {
				t.Fatalf("rollup of %v misses %v", service, c)
			}
		}
	}
	sums, err := s.StampTotals()
	if err != nil || len(stamps) != len(byStamp) {
		t.Fatalf("%d stamps, want %d, %v", len(stamps), len(byStamp), err)
	}
	for i, stamp := range stamps {
		if sums.IPv4[i] != byStamp[stamp][0] || sums.IPv6[i] != byStamp[stamp][1] {
			t.Fatalf("stamp %d: %+v, %+v, want %+v", stamp, sums.IPv4[i], sums.IPv6[i], byStamp[stamp])
		}
	}
}

// TestAnyColumnsAlone loads every subset of columns that differs in what has to be read or decoded first.
func TestAnyColumnsAlone(t *testing.T) {
	r := testenv.Random(t)
	g := &generator{r: r, hosts: 10, outside: 100, stamps: 288, extra: true}
	s := opened(t, written(t, Config{ChunkTuples: 100, ChunkRows: 1000, RollupRows: 1}, nil, g.rows(2000)))
	chunks, err := s.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	var all, some Tuples
	for i := range chunks {
		if err := s.Load(i, allColumns, &all); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			want := Columns(r.Uint32())
			if err := s.Load(i, want, &some); err != nil {
				t.Fatal(err)
			}
			check32(t, want&Sources != 0, all.Source, some.Source)
			check32(t, want&Destinations != 0, all.Destination, some.Destination)
			check32(t, want&Services != 0, all.Service, some.Service)
			check32(t, want&RowCounts != 0, all.RowCount, some.RowCount)
			check32(t, want&RowCounts != 0, all.FirstRow, some.FirstRow)
			check32(t, want&StampIndices != 0, all.Stamp, some.Stamp)
			for c := range CounterCount {
				if sum := want&(Sum<<c) != 0; (sum && !slices.Equal(some.Sum[c], all.Sum[c])) || (!sum && some.Sum[c] != nil) {
					t.Fatalf("%#x: sum %d", want, c)
				}
				if value := want&(Value<<c) != 0; (value && !slices.Equal(some.Value[c], all.Value[c])) || (!value && some.Value[c] != nil) {
					t.Fatalf("%#x: value %d", want, c)
				}
			}
		}
	}
}

func check32(t *testing.T, wanted bool, want, got []uint32) {
	t.Helper()
	if !wanted {
		want = nil
	}
	if !slices.Equal(want, got) {
		t.Fatalf("wanted %t: %d values, %d", wanted, len(got), len(want))
	}
}

// TestMergeIsWriteOfAll holds that parts merged in any division are what one write of all rows is, byte for byte.
func TestMergeIsWriteOfAll(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
		rows, blocks := g.rows(3000), testBlocks(r, 30)
		config := Config{ChunkTuples: 200, ChunkRows: 700, RollupRows: 20}
		var inputs []Input
		parts := 1 + r.IntN(6)
		files := vfs.NewMemory()
		for part := range parts {
			var mine []Row
			for i, row := range rows {
				if i*7919%parts == part {
					mine = append(mine, row)
				}
			}
			var own []flow.Interval
			for i, b := range blocks {
				if i%parts == part {
					own = append(own, b)
				}
			}
			if part%2 == 0 {
				inputs = append(inputs, FromReader(opened(t, written(t, config, own, mine))))
			} else {
				inputs = append(inputs, FromRows(mine, own))
			}
		}
		f := newFile(t, files, "/merged")
		if _, err := Merge(context.Background(), f, config, testMeta(), inputs...); err != nil {
			t.Fatal(err)
		}
		s := opened(t, files.Bytes("/merged"))
		if got := mustRead(t, s); !slices.Equal(got, summed(rows)) {
			t.Fatalf("%s (-want +got):\n%s", name, cmp.Diff(summed(rows), got))
		}
		checkSums(t, s, summed(rows), config)
		if got, err := s.Blocks(); err != nil || !slices.Equal(got, blocks) {
			t.Fatalf("%s: blocks %v:\n%s", name, err, cmp.Diff(blocks, got))
		}
	}
}

// TestWriterIsWrite holds that the streaming Writer makes the same bytes.
func TestWriterIsWrite(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
		rows, blocks := g.rows(3000), testBlocks(r, 30)
		var v Vocabulary
		for i := range rows {
			v.Add(&rows[i])
		}
		files := vfs.NewMemory()
		w, err := Create(newFile(t, files, "/s"), DefaultConfig(), testMeta(), blocks, &v)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if err := w.Add(&rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		info, err := w.Finish()
		if err != nil || info.Bytes != int64(len(files.Bytes("/s"))) {
			t.Fatalf("%+v, %v", info, err)
		}
		if !slices.Equal(files.Bytes("/s"), written(t, DefaultConfig(), blocks, rows)) {
			t.Fatalf("%s: other bytes", name)
		}
	}
}
