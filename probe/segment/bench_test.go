package segment

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// benchRows is a quarter of a busy interface's day.
func benchRows() []Row {
	g := &generator{r: rand.New(rand.NewPCG(1, 1)), hosts: 4000, outside: 200_000, stamps: 288}
	return summed(g.rows(300_000))
}

// perRow reports the speed and the size of what was written.
func perRow(b *testing.B, rows int, bytes int64) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(bytes)/float64(rows), "bytes/row")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSegmentWrite writes rows in memory.
func BenchmarkSegmentWrite(b *testing.B) {
	rows := benchRows()
	blocks := testBlocks(rand.New(rand.NewPCG(1, 1)), 288)
	var info Info
	for b.Loop() {
		var err error
		if info, err = Write(newFile(b, vfs.NewMemory(), "/s"), DefaultConfig(), testMeta(), blocks, rows); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, len(rows), info.Bytes)
}

// BenchmarkSegmentMerge makes a day of 24 hours.
func BenchmarkSegmentMerge(b *testing.B) {
	rows := benchRows()
	hours := make([][]Row, 24)
	for _, row := range rows {
		hour := (row.Stamp - testMeta().First) / 3600
		hours[hour] = append(hours[hour], row)
	}
	var inputs []Input
	for _, hour := range hours {
		inputs = append(inputs, FromReader(opened(b, written(b, DefaultConfig(), nil, hour))))
	}
	var info Info
	for b.Loop() {
		var err error
		if info, err = Merge(context.Background(), newFile(b, vfs.NewMemory(), "/s"), DefaultConfig(), testMeta(), inputs...); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, len(rows), info.Bytes)
}

// BenchmarkLoad decodes a segment with the columns that queries want.
func BenchmarkLoad(b *testing.B) {
	const bytes = Sum<<BytesReceived | Sum<<BytesSent
	const counters = allCounters * Sum
	s := opened(b, written(b, DefaultConfig(), nil, benchRows()))
	chunks, err := s.Chunks()
	if err != nil {
		b.Fatal(err)
	}
	for _, set := range []struct {
		name    string
		want    Columns
		columns float64 // of tuples
		rows    float64 // columns of rows
	}{
		{"keys", Sources | Destinations | Services, 3, 0},
		{"service", Services, 1, 0},
		{"service, bytes", Services | bytes, 3, 0},
		{"keys, sums", Sources | Destinations | Services | counters, 7, 0},
		{"service, rows", Services | StampIndices | allCounters*Value, 1, 5},
	} {
		b.Run(set.name, func(b *testing.B) {
			var t Tuples
			values := 0.0
			b.ReportAllocs()
			for b.Loop() {
				values = 0
				for i := range chunks {
					if err := s.Load(i, set.want, &t); err != nil {
						b.Fatal(err)
					}
					values += set.columns*float64(t.Count) + set.rows*float64(t.Rows)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/values, "ns/value")
		})
	}
}

// onDisk writes a segment to a real file.
func onDisk(b *testing.B, rows []Row) string {
	b.Helper()
	name := b.TempDir() + "/s"
	f, err := vfs.OS{}.Create(name, 0o640)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := Write(f, DefaultConfig(), testMeta(), testBlocks(rand.New(rand.NewPCG(1, 1)), 288), rows); err != nil {
		b.Fatal(err)
	}
	return name
}

// BenchmarkOpen opens a segment of a real file, and looks for an address in it: what a look-up over a year does with
// each day.
func BenchmarkOpen(b *testing.B) {
	rows := benchRows()
	name := onDisk(b, rows)
	present := rows[len(rows)/3].Key.Destination
	for _, look := range []struct {
		name string
		do   func(*Reader) error
	}{
		{"open", func(*Reader) error { return nil }},
		{"absent", func(s *Reader) error {
			_, _, err := s.Lookup(flow.Address{1, 2, 3, 4}, flow.IPv4)
			return err
		}},
		{"destination", func(s *Reader) error { return needle(s, present) }},
	} {
		b.Run(look.name, func(b *testing.B) {
			read := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				f, err := vfs.OS{}.Open(name)
				if err != nil {
					b.Fatal(err)
				}
				s, err := Open(f, name)
				if err != nil {
					b.Fatal(err)
				}
				if err := look.do(s); err != nil {
					b.Fatal(err)
				}
				read = s.BytesRead()
				s.Close()
			}
			b.ReportMetric(float64(read), "bytes-read/op")
		})
	}
}

// needle loads the keys of the chunks that have a destination.
func needle(s *Reader, address flow.Address) error {
	code, _, err := s.Lookup(address, flow.IPv4)
	if err != nil {
		return err
	}
	chunks, err := s.DestinationChunks(nil, code, code+1)
	if err != nil {
		return err
	}
	var t Tuples
	for _, chunk := range chunks {
		if err := s.Load(int(chunk), Sources|Destinations|Services, &t); err != nil {
			return err
		}
	}
	return nil
}
