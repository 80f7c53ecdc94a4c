package godb

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/weirflow/weir/pkg/flow"
)

// FuzzMeta: no metadata make the parser panic or allocate more than a multiple of their length.
func FuzzMeta(f *testing.F) {
	f.Add(example().meta())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			return
		}
		if len(m.blocks)*metaBlockSize+metaMinSize > len(b) && len(m.blocks) > 0 {
			t.Fatalf("%d blocks in %d bytes", len(m.blocks), len(b))
		}
		for i := range m.blocks {
			if v4, v6, err := rowsOf(&m.blocks[i]); err == nil && (v4 < 0 || v6 < 0 || v4+v6 > MaxRows) {
				t.Fatalf("%d and %d rows", v4, v6)
			}
		}
	})
}

// FuzzDecode: no bytes make a decoder panic, or return what is not as long as it should be.
func FuzzDecode(f *testing.F) {
	for _, encoder := range []byte{0, 1, 2, 3} {
		raw := bytes.Repeat([]byte("some text, "), 20)
		if encoder == 1 {
			f.Add(encoder, uint16(len(raw)), raw)
		} else {
			f.Add(encoder, uint16(len(raw)), encode(encoder, raw))
		}
	}
	f.Add(byte(0), uint16(3), []byte("\x04\x22\x4d\x18\x40\x40\xc0\x03\x00\x00\x80abc\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, encoder byte, raw uint16, src []byte) {
		d := &decompressor{}
		defer d.close()
		memory := make([]byte, int(raw)+maxWidth)
		if out, err := d.decode(memory, src, encoder, int(raw)); err == nil && len(out) != int(raw) {
			t.Fatalf("%d bytes, want %d", len(out), raw)
		}
		salvage(memory, src[:min(len(src), int(raw))], rest{taken: int64(raw), size: int64(len(src)), read: func(b []byte, at int64) error {
			copy(b, src[at:at+int64(len(b))])
			return nil
		}})
		if c, count, err := parseCounters(append(src, make([]byte, maxWidth)...)[:len(src)]); err == nil {
			for i := range count {
				c.at(i)
			}
		}
	})
}

// FuzzLZ4 compares the decoder with another one.
func FuzzLZ4(f *testing.F) {
	f.Add(encode(3, bytes.Repeat([]byte("abcdefgh"), 100)), uint16(800))
	f.Add([]byte{0x10, 'a'}, uint16(1))
	f.Fuzz(func(t *testing.T, src []byte, limit uint16) {
		out, progress, err := decodeLZ4(make([]byte, 0, limit), src, int(limit))
		if len(out) > int(limit) || progress.used > len(src) || cap(out) != int(limit) {
			t.Fatalf("%d bytes of %d, %d of %d used", len(out), limit, progress.used, len(src))
		}
		if err != nil || progress.used != len(src) || len(out) != int(limit) || limit == 0 {
			return
		}
		want := make([]byte, limit)
		if n, err := lz4.UncompressBlock(src, want); err == nil && (n != len(out) || !bytes.Equal(out, want)) {
			t.Fatalf("decoded to %x, want %x", out, want)
		}
	})
}

// FuzzColumns reads a day whose columns are anything.
func FuzzColumns(f *testing.F) {
	f.Add(byte(3), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, encoder byte, junk []byte) {
		root := t.TempDir()
		d := &testDay{day: testDayStart, encoder: 1}
		d.add(testBlock{end: d.day + 300, records: randomRecords(rand.New(rand.NewPCG(1, 1)), len(junk)%50, 0)})
		for c := range d.columns {
			d.spans[c][0].encoder = encoder
			for i := range d.columns[c] {
				if len(junk) > 0 {
					d.columns[c][i] ^= junk[(i*7+c)%len(junk)]
				}
			}
		}
		d.save(t, root, "eth0")
		scanAll(t, mustOpen(t, root), "eth0", 0, everything)
	})
}

func TestLegacyFrame(t *testing.T) {
	raw := bytes.Repeat([]byte("goProbe "), 3000)
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(lz4.ChecksumOption(false), lz4.SizeOption(uint64(len(raw))), lz4.BlockChecksumOption(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, src := range [][]byte{b.Bytes(), b.Bytes()[:b.Len()-4], encode(3, raw)} {
		out, err := (&decompressor{}).decode(make([]byte, len(raw)), src, encoderLegacy, len(raw))
		if err != nil || !bytes.Equal(out, raw) {
			t.Errorf("decoded %d bytes, %v", len(out), err)
		}
	}
}

// BenchmarkScan reads an office's day: ns/row is what a scan costs.
func BenchmarkScan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	root := b.TempDir()
	d := &testDay{day: testDayStart, encoder: 3}
	for i := range int64(50) {
		d.add(testBlock{end: d.day + 300*(i+1), records: randomRecords(r, 4000, 3000)})
	}
	d.save(b, filepath.Join(root), "eth0")
	db := mustOpen(b, root)
	rows := uint64(0)
	for b.Loop() {
		stats, err := db.Scan(b.Context(), "eth0", 0, everything, func(flow.Interval, []flow.Record) error { return nil })
		if err != nil || stats.Corrupted > 0 {
			b.Fatal(err, stats.Damage)
		}
		rows += stats.Rows
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
