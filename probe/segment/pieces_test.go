package segment

import (
	"slices"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// checkPieces holds that services and their sums, piece by piece, are what they are as a whole.
func checkPieces(t *testing.T, s *Reader) {
	t.Helper()
	services, err := s.Services()
	if err != nil {
		t.Fatal(err)
	}
	totals, err := s.ServiceTotals()
	if err != nil {
		t.Fatal(err)
	}
	if s.ServiceCount() != len(services) {
		t.Fatalf("%d services, want %d", s.ServiceCount(), len(services))
	}
	for stop := range min(len(services), 3) + 1 {
		var found []Service
		err := s.FindServices(func(rank uint32, service Service) bool {
			if int(rank) != len(found) {
				t.Fatalf("rank %d after %d services", rank, len(found))
			}
			found = append(found, service)
			return stop == 0 || len(found) < stop
		})
		want := services
		if stop > 0 {
			want = services[:stop]
		}
		if err != nil || !slices.Equal(found, want) {
			t.Fatalf("stop at %d: %v, %v; want %v", stop, found, err, want)
		}
	}
	for _, wanted := range []uint16{allCounters, 1 << BytesReceived, 1<<BytesSent | 1<<RoundTrips, 0} {
		got, at := make([]ServiceTotal, len(services)), 0
		err := s.SumsByService(wanted, func(first uint32, n int, sums *[CounterCount][]uint64) error {
			if int(first) != at {
				t.Fatalf("piece from %d on, want %d", first, at)
			}
			for c, column := range sums {
				for i, v := range column {
					setCounter(&got[int(first)+i].Counters, c, v)
				}
			}
			at += n
			return nil
		})
		if err != nil || at != len(services) {
			t.Fatalf("%#x: %d of %d services, %v", wanted, at, len(services), err)
		}
		for rank := range got {
			have, want := split(&got[rank].Counters), split(&totals[rank].Counters)
			for c := range want {
				if wanted>>c&1 == 0 {
					want[c] = 0
				}
			}
			if have != want {
				t.Fatalf("%#x: service %d: %v, want %v", wanted, rank, have, want)
			}
		}
	}
}

func TestServicesInPieces(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
		t.Run(name, func(t *testing.T) {
			checkPieces(t, opened(t, written(t, DefaultConfig(), nil, g.rows(3000))))
		})
	}
	t.Run("empty", func(t *testing.T) { checkPieces(t, opened(t, written(t, DefaultConfig(), nil, nil))) })
	t.Run("several", func(t *testing.T) {
		g := &generator{r: r, hosts: 300, outside: 3000, stamps: 288}
		rows := g.rows(3 * pieceValues)
		for i := range rows {
			rows[i].Key.DestinationPort = uint16(i)
		}
		slices.SortFunc(rows, func(a, b Row) int { return a.Key.Compare(b.Key) })
		s := opened(t, written(t, DefaultConfig(), nil, rows))
		if s.ServiceCount() <= 2*pieceValues {
			t.Fatalf("%d services are too few for several pieces", s.ServiceCount())
		}
		checkPieces(t, s)
	})
}

// TestLoadSelected holds that the rows of selected tuples are those of all.
func TestLoadSelected(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
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
			var singles, few []uint32
			for tuple, n := range all.RowCount {
				if n == 1 {
					singles = append(singles, uint32(tuple))
				}
				if r.IntN(10) == 0 {
					few = append(few, uint32(tuple))
				}
			}
			for _, selected := range [][]uint32{singles, few} {
				if err := s.LoadSelected(i, allColumns, selected, &some); err != nil {
					t.Fatal(err)
				}
				checkSelected(t, name, selected, &all, &some)
			}
		}
	}
}

func checkSelected(t *testing.T, name string, selected []uint32, all, some *Tuples) {
	t.Helper()
	row := uint32(0)
	for tuple, n := range all.RowCount {
		from, until := row, row+n
		row = until
		if all.FirstRow[tuple] != from {
			t.Fatalf("%s: tuple %d begins at row %d, want %d", name, tuple, all.FirstRow[tuple], from)
		}
		if !slices.Contains(selected, uint32(tuple)) {
			continue
		}
		if some.FirstRow[tuple] != from || some.RowCount[tuple] != n {
			t.Fatalf("%s: tuple %d has %d rows from %d, want %d from %d", name, tuple, some.RowCount[tuple], some.FirstRow[tuple], n, from)
		}
		if !slices.Equal(some.Stamp[from:until], all.Stamp[from:until]) {
			t.Fatalf("%s: stamps of tuple %d: %d, want %d", name, tuple, some.Stamp[from:until], all.Stamp[from:until])
		}
		for c := range CounterCount {
			if all.Value[c] != nil && !slices.Equal(some.Value[c][from:until], all.Value[c][from:until]) {
				t.Fatalf("%s: counter %d of tuple %d: %d, want %d", name, c, tuple, some.Value[c][from:until], all.Value[c][from:until])
			}
		}
	}
}

// TestSharedScratch holds that what a shared scratch space still has of a chunk is taken for that chunk only, and not
// read again.
func TestSharedScratch(t *testing.T) {
	r := testenv.Random(t)
	var segments []*Reader
	for range 2 {
		g := &generator{r: r, hosts: 10, outside: 100, stamps: 288, extra: true}
		segments = append(segments, opened(t, written(t, Config{ChunkTuples: 100, ChunkRows: 1000, RollupRows: 1}, nil, g.rows(500))))
	}
	var scratch Scratch
	var tested, loaded Tuples
	tested.Share(&scratch)
	loaded.Share(&scratch)
	for range 500 {
		s, chunk := segments[r.IntN(2)], r.IntN(3)
		var whole Tuples
		if err := s.Load(chunk, allColumns, &whole); err != nil {
			t.Fatal(err)
		}
		before := tested.BytesRead() + loaded.BytesRead()
		if err := s.Load(chunk, Destinations, &tested); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(chunk, allColumns, &loaded); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tested.Destination, whole.Destination) || !slices.Equal(loaded.Stamp, whole.Stamp) || !slices.Equal(loaded.Source, whole.Source) {
			t.Fatalf("chunk %d is another's", chunk)
		}
		if read := tested.BytesRead() + loaded.BytesRead() - before; read > whole.BytesRead() {
			t.Fatalf("%d bytes read of a chunk of %d", read, whole.BytesRead())
		}
	}
}
