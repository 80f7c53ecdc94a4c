package store

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

func TestAppendAndScan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := mustOpen(t, vfs.NewMemory(), Config{})
	var want []visited
	for i, n := range []int{3, 0, ChunkRows + 1, 1, 500} {
		block := visited{interval(noon+int64(i)*300, uint64(i)), randomRecords(r, n)}
		mustAppend(t, s, "eth0", block.Interval, block.Records)
		want = append(want, block)
	}
	got, stats := scan(t, s, "eth0", noon, noon+1200)
	if diff := same(want, got); diff != "" {
		t.Fatalf("scan (-want +got):\n%s", diff)
	}
	rows := 0
	for _, b := range want {
		rows += len(b.Records)
	}
	if stats.Blocks != 5 || stats.Rows != uint64(rows) || stats.Files != 1 || stats.Corrupted+stats.BytesTorn != 0 {
		t.Errorf("stats: %+v", stats)
	}
	if got, _ := scan(t, s, "eth0", noon+1, noon+600); len(got) != 2 {
		t.Errorf("%d blocks in a range of two", len(got))
	}
	if got, _ := scan(t, s, "eth1", 0, allTime); len(got) != 0 {
		t.Errorf("%d blocks of an interface that has none", len(got))
	}
	written := s.WriteStats()
	if written.Blocks != 5 || written.Rows != uint64(rows) || written.Bytes != stats.BytesRead {
		t.Errorf("written %+v, read %+v", written, stats)
	}
}

func TestUnsortedAndRepeatedRows(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	a := v4(9, 1, 80, flow.TCP, flow.Counters{BytesSent: 1})
	b := v4(3, 1, 80, flow.TCP, flow.Counters{BytesSent: 2})
	given := []flow.Record{a, b, a}
	mustAppend(t, s, "eth0", interval(noon, 1), given)
	got, _ := scan(t, s, "eth0", 0, allTime)
	if diff := cmp.Diff([]flow.Record{b, a, a}, got[0].Records); diff != "" {
		t.Error(diff)
	}
	if given[0] != a {
		t.Error("the caller's rows were moved")
	}
}

func TestDayBorders(t *testing.T) {
	files := vfs.NewMemory()
	s := mustOpen(t, files, Config{})
	midnight := noon + 12*3600
	for i, end := range []int64{midnight - 300, midnight, midnight + 1, midnight + 300} {
		mustAppend(t, s, "eth0", interval(end, uint64(i)), nil)
	}
	want := []string{"/db/interfaces/eth0/2026-11-21.wlog", "/db/interfaces/eth0/2026-11-22.wlog"}
	got := slices.DeleteFunc(files.Files(), func(n string) bool { return !strings.Contains(n, "/eth0/") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	before, stats := scan(t, s, "eth0", 0, midnight)
	if len(before) != 2 || stats.Files != 1 {
		t.Errorf("until midnight: %d blocks of %d files, want 2 of 1", len(before), stats.Files)
	}
	after, stats := scan(t, s, "eth0", midnight+1, allTime)
	if len(after) != 2 || stats.Files != 1 {
		t.Errorf("after midnight: %d blocks of %d files, want 2 of 1", len(after), stats.Files)
	}
}

func TestOrderOfLateDataAndParts(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	ends := []int64{noon, noon + 600, noon + 300, noon - secondsPerDay, noon + 300}
	for i, end := range ends {
		mustAppend(t, s, "eth0", interval(end, uint64(i)), nil)
	}
	var got []uint64
	blocks, _ := scan(t, s, "eth0", 0, allTime)
	for _, b := range blocks {
		got = append(got, b.Interval.Sequence)
	}
	if diff := cmp.Diff([]uint64{3, 0, 2, 4, 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReplaysAreDropped(t *testing.T) {
	files := vfs.NewMemory()
	s := mustOpen(t, files, Config{})
	row := []flow.Record{v4(1, 2, 3, flow.UDP, flow.Counters{BytesSent: 5})}
	midnight := noon + 12*3600
	mustAppend(t, s, "eth0", interval(midnight, 7), row)
	mustAppend(t, s, "eth0", interval(midnight, 7), row)
	mustAppend(t, s, "eth0", interval(midnight+60, 7), row) // the same with a later end, on the next day
	mustAppend(t, s, "eth1", interval(midnight, 7), row)    // sequences are counted by interface
	mustAppend(t, s, "eth2", interval(midnight+1, 7), row)
	mustAppend(t, s, "eth2", interval(midnight, 7), row) // and with an earlier end, on the day before
	_ = s.Close()
	s = mustOpen(t, files, Config{})
	mustAppend(t, s, "eth0", interval(midnight, 7), row)
	if got, _ := scan(t, s, "eth0", 0, allTime); len(got) != 1 {
		t.Errorf("%d blocks, want 1", len(got))
	}
	for _, iface := range []string{"eth1", "eth2"} {
		if got, _ := scan(t, s, iface, 0, allTime); len(got) != 1 {
			t.Errorf("%d blocks of %s, want 1", len(got), iface)
		}
	}
	if n := s.WriteStats().Replays; n != 1 {
		t.Errorf("%d replays counted after reopening, want 1", n)
	}
}

func TestCoverageAndInterfaces(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	if first, last, err := s.Coverage("eth0"); first != 0 || last != 0 || err != nil {
		t.Errorf("coverage without data: %d %d %v", first, last, err)
	}
	for i, end := range []int64{noon, noon - 600, noon + 2*secondsPerDay, noon + secondsPerDay} {
		mustAppend(t, s, "eth0", interval(end, uint64(i)), nil)
	}
	mustAppend(t, s, "br-0.100~vxlan/7", interval(noon, 1), nil)
	first, last, err := s.Coverage("eth0")
	if first != noon-900 || last != noon+2*secondsPerDay || err != nil {
		t.Errorf("coverage %d to %d, %v", first-noon, last-noon, err)
	}
	names, err := s.Interfaces()
	if diff := cmp.Diff([]string{"br-0.100~vxlan/7", "eth0"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestRefusedAppends(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, "eth0", interval(noon, 1), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	bad := v4(1, 2, 3, flow.TCP, flow.Counters{})
	bad.Key.Source[9] = 1
	long := interval(noon, 1)
	long.Duration = MaxDuration + 1
	for want, try := range map[string]func() error{
		"length must be":      func() error { return s.Append(context.Background(), "", interval(noon, 1), nil) },
		"not between 1970":    func() error { return s.Append(context.Background(), "e", interval(0, 1), nil) },
		"duration 168h":       func() error { return s.Append(context.Background(), "e", long, nil) },
		"address family 0":    func() error { return s.Append(context.Background(), "e", interval(noon, 1), make([]flow.Record, 1)) },
		"more than four byte": func() error { return s.Append(context.Background(), "e", interval(noon, 1), []flow.Record{bad}) },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if n := s.WriteStats().Failures; n != 6 {
		t.Errorf("%d failures counted, want 6", n)
	}
	_ = s.Close()
	if err := s.Append(context.Background(), "eth0", interval(noon, 1), nil); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOneWriterManyReaders(t *testing.T) {
	root := filepath.Join(t.TempDir(), "db")
	writer := mustOpen(t, vfs.OS{}, Config{Path: root})
	mustAppend(t, writer, "eth0", interval(noon, 1), nil)

	_, err := Open(Config{Path: root}, Deps{})
	var locked *vfs.LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), "pid ") {
		t.Errorf("second writer: %v", err)
	}
	reader := mustOpen(t, vfs.OS{}, Config{Path: root, ReadOnly: true})
	if got, _ := scan(t, reader, "eth0", 0, allTime); len(got) != 1 || reader.HostID() != writer.HostID() {
		t.Errorf("reader sees %d blocks of host %s, writer is %s", len(got), reader.HostID(), writer.HostID())
	}
	if err := reader.Append(context.Background(), "eth0", interval(noon, 2), nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("append of a reader: %v", err)
	}
	for name, want := range map[string]fs.FileMode{
		"": fs.ModeDir | 0o750, "weir-store": 0o640, "interfaces/eth0": fs.ModeDir | 0o750,
		"interfaces/eth0/2026-11-21.wlog": 0o640, "lock": 0o640,
	} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.Mode()&^want&(fs.ModePerm|fs.ModeDir) != 0 {
			t.Errorf("%s: mode %v, want at most %v (%v)", name, info.Mode(), want, err)
		}
	}
	_ = writer.Close()
	mustOpen(t, vfs.OS{}, Config{Path: root})
}

func TestReadersBesideWriter(t *testing.T) {
	root := filepath.Join(t.TempDir(), "db")
	writer := mustOpen(t, vfs.OS{}, Config{Path: root})
	const blocks = 60
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([][]flow.Record, blocks)
	for i := range rows {
		rows[i] = randomRecords(r, 50+i)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		reader := mustOpen(t, vfs.OS{}, Config{Path: root, ReadOnly: true})
		readers.Go(func() {
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				got, stats := scan(t, reader, "eth0", 0, allTime)
				if stats.Corrupted != 0 {
					t.Errorf("damage seen beside a writer: %v", stats.Damage)
				}
				for i, b := range got {
					if b.Interval.Sequence != uint64(i) || !slices.Equal(b.Records, rows[i]) {
						t.Errorf("block %d is sequence %d with %d rows", i, b.Interval.Sequence, len(b.Records))
					}
				}
				if last && len(got) != blocks {
					t.Errorf("%d blocks at the end", len(got))
				}
			}
		})
	}
	for i := range blocks {
		mustAppend(t, writer, "eth0", interval(noon+int64(i), uint64(i)), rows[i])
	}
	close(done)
	readers.Wait()
}

func TestScanEndsWithContextAndVisit(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	for i := range 5 {
		mustAppend(t, s, "eth0", interval(noon+int64(i), uint64(i)), nil)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	_, err := s.Scan(ctx, "eth0", 0, allTime, func(flow.Interval, []flow.Record) error {
		n++
		cancel()
		return nil
	})
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d visits after cancelling, error %v", n, err)
	}
	stop := errors.New("stop")
	if _, err := s.Scan(context.Background(), "eth0", 0, allTime, func(flow.Interval, []flow.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of visit: %v", err)
	}
}

func TestScanVisitsLongIntervalsInChunks(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	records := make([]flow.Record, 2*ChunkRows+5)
	for i := range records {
		records[i] = v4(uint32(i), 1, 53, flow.UDP, flow.Counters{BytesSent: uint64(i), PacketsSent: 1})
	}
	iv := interval(noon, 1)
	mustAppend(t, s, "eth0", iv, records)
	var calls []int
	var sum flow.Accounting
	_, err := s.Scan(context.Background(), "eth0", 0, allTime, func(iv flow.Interval, records []flow.Record) error {
		calls = append(calls, len(records))
		sum.Add(iv.Accounting)
		return nil
	})
	if diff := cmp.Diff([]int{ChunkRows, ChunkRows, 5}, calls); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if sum != iv.Accounting {
		t.Errorf("accounting of all calls adds up to %+v, want %+v", sum, iv.Accounting)
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	if _, err := Open(Config{Path: "/none", ReadOnly: true}, Deps{FS: vfs.NewMemory()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reader without store: %v", err)
	}
	if _, err := Open(Config{}, Deps{FS: vfs.NewMemory()}); err == nil {
		t.Error("no path: no error")
	}
	identity := formatIdentity(StoreVersion, "6b1f3c0e-8d43-4b7a-9a57-0d7f2a3e4c11")
	body := "weir-store 3\nhost new\n"
	for want, content := range map[string]string{
		"not an identity":    "hello\n",
		"checksum mismatch":  strings.Replace(identity, "6b1f", "6b1e", 1),
		"format \"3\", this": body + "check " + hex(checksum([]byte(body))) + "\n",
		"no host id in it":   strings.Replace(formatIdentity(StoreVersion, "nobody"), "", "", 1),
	} {
		for _, readOnly := range []bool{false, true} {
			files := vfs.NewMemory()
			if err := files.MkdirAll("/db", 0o750); err != nil {
				t.Fatal(err)
			}
			files.SetBytes("/db/weir-store", []byte(content))
			_, err := Open(Config{Path: "/db", ReadOnly: readOnly}, Deps{FS: files})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("identity %q: error %v, want %q", content, err, want)
			}
		}
	}
	files := vfs.NewMemory()
	if err := files.MkdirAll("/db/eth0", 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: "/db"}, Deps{FS: files}); err == nil || !strings.Contains(err.Error(), `"eth0"`) {
		t.Errorf("directory of somebody else: %v", err)
	}
	if got := files.Files(); len(got) > 1 {
		t.Errorf("files were made there: %v", got)
	}
}

func hex(v uint32) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 8)
	for i := range b {
		b[i] = digits[v>>(28-4*i)&15]
	}
	return string(b)
}

func TestLogsThatAreRefused(t *testing.T) {
	header := func(iface string, d day) []byte { h, _ := fileHeader(iface, d); return h }
	future := header("eth0", dayOf(noon))
	future[8] = 2
	n := len(future) - 4
	sum := checksum(future[:n])
	future[n], future[n+1], future[n+2], future[n+3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	for want, content := range map[string][]byte{
		"written by a later version": future,
		"another interface or day":   header("eth1", dayOf(noon)),
		"not a log":                  []byte("time,iface,sip\n"),
	} {
		files := vfs.NewMemory()
		s := mustOpen(t, files, Config{})
		mustAppend(t, s, "eth0", interval(noon-secondsPerDay, 1), nil)
		files.SetBytes("/db/interfaces/eth0/2026-11-21.wlog", content)
		got, stats := scan(t, s, "eth0", 0, allTime)
		if len(got) != 1 || stats.Corrupted != 1 || !strings.Contains(stats.Damage[0].String(), want) ||
			!strings.Contains(stats.Damage[0].String(), "eth0/2026-11-21.wlog") {
			t.Errorf("%s: %d blocks, %+v", want, len(got), stats)
		}
		err := s.Append(context.Background(), "eth0", interval(noon, 2), nil)
		if want == "not a log" { // set aside, so that the day can be stored
			if got, _ := scan(t, s, "eth0", 0, allTime); err != nil || len(got) != 2 {
				t.Errorf("%d blocks after setting aside, %v", len(got), err)
			}
			content, want = files.Bytes("/db/interfaces/eth0/2026-11-21.wlog.refused"), string(content)
			if string(content) != want {
				t.Errorf("set aside: %q", content)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "2026-11-21.wlog") {
			t.Errorf("append: %v, want %q", err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"eth0": "eth0", "eth0.100": "eth0.100", "eth0~vxlan.42": "eth0%7Evxlan.42", ".": "%2E", "..": "%2E.",
		"a/b": "a%2Fb", "%2E": "%252E", "\x00\xff é": "%00%FF%20%C3%A9", "Eth_-9": "Eth_-9",
	} {
		got, err := encodeName(name)
		back, ok := decodeName(got)
		if got != want || err != nil || back != name || !ok {
			t.Errorf("%q: %q (%v), back %q %v", name, got, err, back, ok)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", MaxInterfaceName+1)} {
		if _, err := encodeName(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
	for _, dir := range []string{"", ".x", "%2e", "%41", "a%", "a%2", "a b", "%zz", strings.Repeat("x", 65)} {
		if name, ok := decodeName(dir); ok {
			t.Errorf("directory %q is taken for %q", dir, name)
		}
	}
	for _, name := range []string{"2026-11-21.wlog", "1970-01-01.wlog", "9999-12-31.wlog"} {
		if d, ok := parseFileName(name); !ok || d.fileName() != name {
			t.Errorf("%s: day %d %v", name, d, ok)
		}
	}
	for _, name := range []string{"2026-11-31.wlog", "2026-1-1.wlog", "2026-11-21.wlog.new", "1969-12-31.wlog", "x"} {
		if d, ok := parseFileName(name); ok {
			t.Errorf("%s is taken for day %d", name, d)
		}
	}
	if dayOf(1) != 0 || dayOf(secondsPerDay) != 0 || dayOf(secondsPerDay+1) != 1 || dayOf(maxEnd).fileName() != "9999-12-31.wlog" {
		t.Error("borders of days")
	}
}

func TestClockAndLengths(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	short := interval(noon, 1)
	short.Duration = 1500 * time.Millisecond
	mustAppend(t, s, "eth0", short, nil)
	if first, _, _ := s.Coverage("eth0"); first != noon-2 {
		t.Errorf("start is %d s before the end, want 2", noon-first)
	}
	got, _ := scan(t, s, "eth0", 0, allTime)
	if got[0].Interval != short {
		t.Errorf("%+v", got[0].Interval)
	}
}
