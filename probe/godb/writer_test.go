package godb

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/weirflow/weir/pkg/flow"
)

// testBlock is what a block of a test database shall hold.
type testBlock struct {
	end     int64
	dropped uint32
	records []flow.Record
}

// testDay writes one day as goProbe does. It is written from the byte tables of docs/GODB.md and shares nothing with
// the reader.
type testDay struct {
	day     int64
	encoder byte
	bug     bool // write as the writer with the fault does
	blocks  []testBlock
	spans   [8][]testSpan
	columns [8][]byte // the files
	ends    [8]uint64 // recorded
}

type testSpan struct {
	stored, raw uint32
	encoder     byte
}

func sorted(records []flow.Record) []flow.Record {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return records
}

// add appends a block.
func (d *testDay) add(b testBlock) {
	b.records = sorted(b.records)
	d.blocks = append(d.blocks, b)
	for c, raw := range testColumns(b.records) {
		d.write(c, raw)
	}
}

func testColumns(records []flow.Record) (columns [8][]byte) {
	for i := range records {
		k := &records[i].Key
		n := 16
		if k.Family == flow.IPv4 {
			n = 4
		}
		columns[0] = append(columns[0], k.Source[:n]...)
		columns[1] = append(columns[1], k.Destination[:n]...)
		columns[2] = append(columns[2], byte(k.Protocol))
		columns[3] = binary.BigEndian.AppendUint16(columns[3], k.DestinationPort)
	}
	for c, of := range []func(flow.Counters) uint64{
		func(c flow.Counters) uint64 { return c.BytesReceived }, func(c flow.Counters) uint64 { return c.BytesSent },
		func(c flow.Counters) uint64 { return c.PacketsReceived }, func(c flow.Counters) uint64 { return c.PacketsSent },
	} {
		columns[4+c] = packNumbers(records, of)
	}
	return columns
}

func packNumbers(records []flow.Record, of func(flow.Counters) uint64) []byte {
	width := 1
	for i := range records {
		for v := of(records[i].Counters); width < 8 && v >= 1<<(8*width); width++ {
		}
	}
	b := []byte{byte(width)}
	for i := range records {
		b = append(b, binary.LittleEndian.AppendUint64(nil, of(records[i].Counters))[:width]...)
	}
	return b
}

// write writes a column's block at its recorded end, over whatever is there.
func (d *testDay) write(c int, raw []byte) {
	stored, encoder := raw, byte(1)
	at := d.ends[c]
	if len(raw) > 0 && d.encoder != 1 {
		encoded := encode(d.encoder, raw)
		if len(encoded) <= len(raw) {
			stored, encoder = encoded, d.encoder
		} else if d.bug && len(encoded) > 4096 {
			d.put(c, at, encoded)
			d.put(c, at+uint64(len(encoded)), raw)
			stored = nil // it is not where the metadata says
		}
	}
	if stored != nil {
		d.put(c, at, stored)
	} else {
		stored = raw
	}
	d.ends[c] += uint64(len(stored))
	d.spans[c] = append(d.spans[c], testSpan{uint32(len(stored)), uint32(len(raw)), encoder})
}

func (d *testDay) put(c int, at uint64, b []byte) {
	if need := int(at) + len(b); need > len(d.columns[c]) {
		d.columns[c] = append(d.columns[c], make([]byte, need-len(d.columns[c]))...)
	}
	copy(d.columns[c][at:], b)
}

func encode(encoder byte, raw []byte) []byte {
	switch encoder {
	case 0, 3:
		b := make([]byte, lz4.CompressBlockBound(len(raw)))
		n, err := (&lz4.CompressorHC{Level: lz4.Level6}).CompressBlock(raw, b)
		if err != nil || n == 0 {
			panic(fmt.Sprint("lz4: ", n, err))
		}
		return b[:n]
	case 2:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		return w.EncodeAll(raw, nil)
	}
	panic("unknown encoder")
}

func (d *testDay) totals() (t [7]uint64) {
	for _, b := range d.blocks {
		v4, v6 := families(b.records)
		t[0], t[1], t[2] = t[0]+uint64(v4), t[1]+uint64(v6), t[2]+uint64(b.dropped)
		for i := range b.records {
			c := &b.records[i].Counters
			t[3], t[4] = t[3]+c.BytesReceived, t[4]+c.BytesSent
			t[5], t[6] = t[5]+c.PacketsReceived, t[6]+c.PacketsSent
		}
	}
	return t
}

func families(records []flow.Record) (v4, v6 uint32) {
	for i := range records {
		if records[i].Key.Family == flow.IPv4 {
			v4++
		} else {
			v6++
		}
	}
	return v4, v6
}

// meta is the .blockmeta.
func (d *testDay) meta() []byte {
	be := binary.BigEndian
	b := be.AppendUint64(be.AppendUint64(nil, 1), uint64(len(d.blocks)))
	for _, v := range d.totals() {
		b = be.AppendUint64(b, v)
	}
	for c := range 8 {
		b = be.AppendUint64(b, d.ends[c])
		for _, s := range d.spans[c] {
			b = append(be.AppendUint32(be.AppendUint32(b, s.stored), s.raw), s.encoder)
		}
	}
	b = be.AppendUint64(b, uint64(d.blocks[0].end))
	before := d.blocks[0].end
	for _, block := range d.blocks {
		v4, v6 := families(block.records)
		for _, v := range []uint32{v4, v6, block.dropped, uint32(block.end - before)} {
			b = be.AppendUint32(b, v)
		}
		before = block.end
	}
	return b
}

// name is the directory's name, with the totals.
func (d *testDay) name() string {
	name := fmt.Sprint(d.day)
	separator := "_"
	for _, v := range d.totals() {
		name += separator + base62(v)
		separator = "-"
	}
	return name
}

func base62(v uint64) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	text := ""
	for ; v > 0 || text == ""; v /= 62 {
		text += string(digits[v%62])
	}
	return text
}

// save writes the day below root and returns its directory.
func (d *testDay) save(t testing.TB, root, iface string) string {
	t.Helper()
	return d.saveAs(t, filepath.Join(root, iface, time.Unix(d.day, 0).UTC().Format("2006/01"), d.name()))
}

func (d *testDay) saveAs(t testing.TB, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, ".blockmeta"), d.meta())
	for c, name := range []string{"sip", "dip", "proto", "dport", "bytes_rcvd", "bytes_sent", "pkts_rcvd", "pkts_sent"} {
		if len(d.columns[c]) > 0 {
			put(t, filepath.Join(dir, name+".gpf"), d.columns[c])
		}
	}
	return dir
}

func put(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// got is what a scan delivered.
type got struct {
	interval flow.Interval
	records  []flow.Record
}

func scanAll(t testing.TB, db *DB, iface string, first, last int64) ([]got, ScanStats) {
	t.Helper()
	var all []got
	stats, err := db.Scan(t.Context(), iface, first, last, func(iv flow.Interval, records []flow.Record) error {
		accounting := iv.Accounting
		iv.Accounting = flow.Accounting{}
		if n := len(all); n > 0 {
			before := all[n-1].interval
			before.Accounting = flow.Accounting{}
			if before == iv {
				all[n-1].records = append(all[n-1].records, records...)
				return nil
			}
		}
		iv.Accounting = accounting
		all = append(all, got{iv, slices.Clone(records)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, stats
}

// everything is the range of all blocks.
const everything = int64(math.MaxInt64)

func mustOpen(t testing.TB, root string) *DB {
	t.Helper()
	db, err := Open(Config{Path: root}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// plain are blocks in the order in which a scan delivers them.
func plain(blocks []testBlock) []testBlock {
	blocks = slices.Clone(blocks)
	slices.SortStableFunc(blocks, func(a, b testBlock) int { return cmp.Compare(a.end, b.end) })
	return blocks
}

func checkBlocks(t testing.TB, all []got, want []testBlock) {
	t.Helper()
	want = plain(want)
	if len(all) != len(want) {
		t.Fatalf("%d intervals, want %d", len(all), len(want))
	}
	for i, b := range want {
		if all[i].interval.End != b.end || all[i].interval.Accounting.Dropped != uint64(b.dropped) {
			t.Fatalf("interval %d is %+v, want end %d and %d dropped", i, all[i].interval, b.end, b.dropped)
		}
		if !slices.Equal(all[i].records, sorted(b.records)) {
			t.Fatalf("rows of interval %d (%d) are not those that were written (%d)", i, len(all[i].records), len(b.records))
		}
	}
}
