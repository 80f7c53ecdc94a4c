package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/store"
)

// makeGoDB writes a database as goProbe v4 does, uncompressed: on eth0 four intervals of rows() whose last one ends at
// 05:20, on eth1 one without rows.
func makeGoDB(root string) error {
	day := now.Truncate(24 * time.Hour).Unix()
	var ends []int64
	for i := range int64(4) {
		ends = append(ends, now.Unix()-120-(3-i)*300)
	}
	month := filepath.Join("2026", "11")
	err := writeGoDay(filepath.Join(root, "eth0", month, "1795219200_8-4-0-0-0-0-0"), ends, rows())
	if day != 1795219200 {
		err = errors.Join(err, errors.New("the day has another number"))
	}
	return errors.Join(err, writeGoDay(filepath.Join(root, "eth1", month, "1795219200"), ends[3:], nil))
}

func writeGoDay(dir string, ends []int64, records []flow.Record) error {
	return writeGoBlocks(dir, ends, func(int) []flow.Record { return records })
}

// writeGoBlocks writes a day of blocks, each of which has the records that block says, sorted.
func writeGoBlocks(dir string, ends []int64, block func(i int) []flow.Record) error {
	be := binary.BigEndian
	var files [8][]byte
	var lengths [8][]uint32
	var v4, v6 []uint32
	all4, all6 := uint64(0), uint64(0)
	for i := range ends {
		records := block(i)
		n, columns := goColumns(records)
		v4, v6 = append(v4, n), append(v6, uint32(len(records))-n)
		all4, all6 = all4+uint64(n), all6+uint64(v6[i])
		for c := range columns {
			files[c] = append(files[c], columns[c]...)
			lengths[c] = append(lengths[c], uint32(len(columns[c])))
		}
	}
	meta := be.AppendUint64(be.AppendUint64(nil, 1), uint64(len(ends)))
	meta = be.AppendUint64(be.AppendUint64(meta, all4), all6)
	meta = append(meta, make([]byte, 5*8)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for c, name := range []string{"sip", "dip", "proto", "dport", "bytes_rcvd", "bytes_sent", "pkts_rcvd", "pkts_sent"} {
		meta = be.AppendUint64(meta, uint64(len(files[c])))
		for _, length := range lengths[c] {
			meta = append(be.AppendUint32(be.AppendUint32(meta, length), length), 1)
		}
		if len(files[c]) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name+".gpf"), files[c], 0o644); err != nil {
			return err
		}
	}
	meta = be.AppendUint64(meta, uint64(ends[0]))
	for i, end := range ends {
		for _, v := range []uint32{v4[i], v6[i], 3, uint32(end - ends[max(i-1, 0)])} {
			meta = be.AppendUint32(meta, v)
		}
	}
	return os.WriteFile(filepath.Join(dir, ".blockmeta"), meta, 0o644)
}

func goColumns(records []flow.Record) (v4 uint32, columns [8][]byte) {
	for c := 4; c < 8; c++ {
		columns[c] = []byte{8}
		if len(records) == 0 {
			columns[c] = []byte{1}
		}
	}
	for _, r := range records {
		n := 16
		if r.Key.Family == flow.IPv4 {
			v4, n = v4+1, 4
		}
		columns[0] = append(columns[0], r.Key.Source[:n]...)
		columns[1] = append(columns[1], r.Key.Destination[:n]...)
		columns[2] = append(columns[2], byte(r.Key.Protocol))
		columns[3] = binary.BigEndian.AppendUint16(columns[3], r.Key.DestinationPort)
		c := r.Counters
		for i, v := range []uint64{c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent} {
			columns[4+i] = binary.LittleEndian.AppendUint64(columns[4+i], v)
		}
	}
	return v4, columns
}

// lockStore keeps a store as a probe does while it runs.
func lockStore(ts *testscript.TestScript, _ bool, args []string) {
	s, err := openStore(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { s.Close() })
}

// spoil changes a byte in the middle of a file.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%d files are called %s", len(names), args[0])
	}
	b, err := os.ReadFile(names[0])
	ts.Check(err)
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(names[0], b, 0o600))
}

// TestPumpParts: an interval of more rows than a block shall have becomes parts that add up, always the same ones.
func TestPumpParts(t *testing.T) {
	const rows = maxBatch + 5
	directory := filepath.Join(t.TempDir(), "db")
	for run := range 2 {
		s, err := store.Open(store.Config{Path: directory}, store.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		im := newImporter(&app{}, s)
		interval := flow.Interval{End: 1795219500, Duration: 5 * time.Minute, Boot: [16]byte{7}, Sequence: 2, Accounting: flow.Accounting{Metered: 9}}
		err = im.pump(t.Context(), func(_ context.Context, emit emitter) error {
			records := make([]flow.Record, 1<<14)
			for sent := 0; sent < rows; {
				n := min(len(records), rows-sent)
				for i := range records[:n] {
					k := &records[i].Key
					k.Family = flow.IPv4
					binary.BigEndian.PutUint32(k.Source[:], uint32(sent+i))
				}
				if err := emit("eth0", interval, records[:n]); err != nil {
					return err
				}
				sent += n
			}
			return emit("eth0", flow.Interval{End: 1795219800, Boot: [16]byte{8}}, nil)
		})
		if err := errors.Join(err, im.finish(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := *im.tally("eth0"); got.intervals != 2 || got.rows != rows {
			t.Errorf("run %d: %+v", run, got)
		}
		if w := s.WriteStats(); run == 0 && w.Blocks != 3 || run == 1 && (w.Blocks != 0 || w.Replays != 3) {
			t.Errorf("run %d: %+v", run, w)
		}
		var lengths []time.Duration
		stats, err := s.Scan(t.Context(), "eth0", 0, math.MaxInt64, func(iv flow.Interval, records []flow.Record) error {
			if !slices.Contains(lengths, iv.Duration) {
				lengths = append(lengths, iv.Duration)
			}
			return nil
		})
		if err != nil || stats.Rows != rows || !slices.Equal(lengths, []time.Duration{5 * time.Minute, 0}) {
			t.Errorf("run %d: %v, %d rows, lengths %v", run, err, stats.Rows, lengths)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPumpFails: the error of the store ends the source, and is the one that is returned.
func TestPumpFails(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "db")
	s, err := store.Open(store.Config{Path: directory}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	ended := false
	err = newImporter(&app{}, s).pump(t.Context(), func(_ context.Context, emit emitter) error {
		for i := range uint64(1000) {
			if err := emit("eth0", flow.Interval{End: 1795219500 + int64(i), Sequence: i}, nil); err != nil {
				ended = true
				return err
			}
		}
		return nil
	})
	if err == nil || errors.Is(err, context.Canceled) || !ended {
		t.Errorf("error %v, source ended: %v", err, ended)
	}
}

func TestProgressText(t *testing.T) {
	p := &progress{unit: "rows", total: 4000}
	for _, c := range []struct {
		done   uint64
		passed time.Duration
		want   string
	}{
		{0, time.Second, "0 rows, 0/s"},
		{1000, 2 * time.Second, "25 % of 4.00 k rows, 500/s, 6s left"},
		{4000, 2 * time.Second, "100 % of 4.00 k rows, 2.00 k/s, 0s left"},
		{5000, 2 * time.Second, "5.00 k rows, 2.50 k/s"},
	} {
		if got := p.text(c.done, c.passed); got != c.want {
			t.Errorf("%d after %v: %q, want %q", c.done, c.passed, got, c.want)
		}
	}
}
