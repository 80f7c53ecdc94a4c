package checkpoint

import (
	"errors"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

const dir = "/state"

var head = Head{Interface: "eth0.100/x", Boot: [16]byte{1, 2, 3, 15: 9}, Sequence: 7, End: 1_700_000_100}

func record(source, destination string, port uint16, packets uint64) flow.Record {
	r := flow.Record{Key: flow.Key{DestinationPort: port, Protocol: flow.TCP}}
	r.Key.Source, r.Key.Family = flow.AddressFrom(netip.MustParseAddr(source))
	r.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr(destination))
	r.Counters = flow.Counters{BytesReceived: packets * 100, PacketsReceived: packets}
	return r
}

func state(after time.Duration, metered uint64) State {
	s := State{At: 1_699_999_800e9 + int64(after), Duration: after}
	s.Accounting = flow.Accounting{Received: metered + 2, Dropped: 5, Metered: metered}
	s.Accounting.Issues[flow.IssueNotIP] = 2
	return s
}

func of(records map[uint32]flow.Record) iter.Seq2[uint32, flow.Record] {
	return func(yield func(uint32, flow.Record) bool) {
		for _, id := range slices.Sorted(maps.Keys(records)) {
			if !yield(id, records[id]) {
				return
			}
		}
	}
}

func collect(t *testing.T, files vfs.FS) []Unfinished {
	t.Helper()
	var all []Unfinished
	if err := Recover(files, dir, func(u Unfinished) error { all = append(all, u); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, l *Log, s State, records map[uint32]flow.Record) int {
	t.Helper()
	n, err := appendTo(l, s, records)
	must(t, err)
	return n
}

// appendTo adds a checkpoint.
func appendTo(l *Log, s State, records map[uint32]flow.Record) (int, error) {
	for id, record := range of(records) {
		if err := l.Add(&Conversation{ID: id, Record: record}); err != nil {
			return 0, err
		}
	}
	return l.Commit(s)
}

// fill writes three checkpoints: a conversation that grows and turns, one that stays, a folded row, IPv6.
func fill(t testing.TB, l *Log) {
	t.Helper()
	add(t, l, state(10*time.Second, 3), map[uint32]flow.Record{
		0: record("192.0.2.1", "192.0.2.2", 443, 1), 5: record("192.0.2.3", "192.0.2.2", 443, 2)})
	add(t, l, state(20*time.Second, 13), map[uint32]flow.Record{
		0:          record("192.0.2.2", "192.0.2.1", 50000, 4),
		6:          record("2001:db8::1", "2001:db8::2", 53, 6),
		0x80000406: {Key: flow.Key{Family: flow.IPv4, Protocol: flow.TCP}, Counters: flow.Counters{BytesSent: 60, PacketsSent: 1}}})
	add(t, l, State{At: 1_699_999_830e9 + 1, Duration: 30 * time.Second, Accounting: state(0, 14).Accounting},
		map[uint32]flow.Record{9: record("192.0.2.3", "192.0.2.2", 443, 1)})
}

var filled = Unfinished{
	Interface: head.Interface,
	Interval: flow.Interval{End: 1_699_999_831, Duration: 30 * time.Second, Boot: head.Boot, Sequence: 7,
		Accounting: state(0, 14).Accounting},
	At: 1_699_999_830e9 + 1,
	Records: []flow.Record{
		{Key: flow.Key{Family: flow.IPv4, Protocol: flow.TCP}, Counters: flow.Counters{BytesSent: 60, PacketsSent: 1}},
		record("192.0.2.2", "192.0.2.1", 50000, 4),
		record("192.0.2.3", "192.0.2.2", 443, 3),
		record("2001:db8::1", "2001:db8::2", 53, 6),
	},
}

func TestRecover(t *testing.T) {
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	fill(t, l)
	crashed := files.Crash(nil) // everything that Append acknowledged is durable
	if diff := cmp.Diff([]Unfinished{filled}, collect(t, crashed)); diff != "" {
		t.Error(diff)
	}
	if again := collect(t, crashed); len(again) != 0 {
		t.Errorf("recovered twice: %v", again)
	}
}

func TestRecoverSealed(t *testing.T) {
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	fill(t, l)
	must(t, l.Seal(head.End, 5*time.Minute))
	must(t, l.Close())
	got := collect(t, files)
	want := filled
	want.Interval.End, want.Interval.Duration = head.End, 5*time.Minute
	if diff := cmp.Diff([]Unfinished{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRemove(t *testing.T) {
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	fill(t, l)
	must(t, l.Remove())
	if got := collect(t, files.Crash(nil)); len(got) != 0 {
		t.Errorf("a removed log came back: %v", got)
	}
}

func TestRecoverNothing(t *testing.T) {
	files := vfs.NewMemory()
	if got := collect(t, files); len(got) != 0 {
		t.Errorf("an absent directory gave %v", got)
	}
	l, err := Create(files, dir, head)
	must(t, err)
	must(t, l.Close())
	if got := collect(t, files); len(got) != 0 {
		t.Errorf("a log without a checkpoint gave %v", got)
	}
	if entries, _ := files.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%s was left", entries[0].Name())
	}
}

// TestTakeFails: the file stays until its interval is taken, and one that fails does not hinder the others.
func TestTakeFails(t *testing.T) {
	files := vfs.NewMemory()
	for sequence := range uint64(3) {
		h := head
		h.Sequence = sequence
		l, err := Create(files, dir, h)
		must(t, err)
		fill(t, l)
		must(t, l.Close())
	}
	full := errors.New("no space")
	err := Recover(files, dir, func(u Unfinished) error {
		if u.Interval.Sequence == 1 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), fileName(Head{head.Interface, head.Boot, 1, 0})) {
		t.Errorf("got %v, want the cause and the file", err)
	}
	if got := collect(t, files); len(got) != 1 || got[0].Interval.Sequence != 1 {
		t.Errorf("second start recovered %v, want sequence 1 only", got)
	}
}

// TestForeignFiles: what is not a log of this version stays where it is and is named.
func TestForeignFiles(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"empty":        {"", "cut within its first bytes"},
		"foreign":      {"something else entirely", "not a checkpoint"},
		"future":       {magic + "\x03\x00\x00\x00", "format version 3 is not known"},
		"no head":      {magic + "\x02\x00\x00\x00", "first block is damaged"},
		"not the head": {magic + "\x02\x00\x00\x00" + string(appendBlock(nil, typeSeal, sealFields(1, 1))), "first block is damaged"},
		"short head":   {magic + "\x02\x00\x00\x00" + string(appendBlock(nil, typeHead, make([]byte, 31))), "wrong length"},
	} {
		t.Run(name, func(t *testing.T) {
			files := vfs.NewMemory()
			write(t, files, dir+"/x"+suffix, []byte(test.content))
			write(t, files, dir+"/x"+suffix+temporary, nil)
			write(t, files, dir+"/other", nil)
			err := Recover(files, dir, func(Unfinished) error { return errors.New("taken") })
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "x"+suffix) {
				t.Errorf("got %v, want %q and the file", err, test.want)
			}
			entries, _ := files.ReadDir(dir)
			if len(entries) != 2 {
				t.Errorf("%d files are left, want the foreign ones and not the temporary one: %v", len(entries), entries)
			}
		})
	}
}

func write(t testing.TB, files vfs.FS, name string, content []byte) {
	t.Helper()
	must(t, files.MkdirAll(dir, 0o750))
	f, err := files.OpenAppend(name, 0o640)
	must(t, err)
	_, err = f.Write(content)
	must(t, err)
	must(t, f.Close())
}

// TestFullDisk: an append that fails leaves the log as it was; the next one that succeeds counts.
func TestFullDisk(t *testing.T) {
	for space := range int64(50) {
		memory := vfs.NewMemory()
		files := vfs.NewFaulty(memory)
		l, err := Create(files, dir, head)
		must(t, err)
		add(t, l, state(10*time.Second, 1), map[uint32]flow.Record{0: record("192.0.2.1", "192.0.2.2", 443, 1)})
		files.LimitSpace(space)
		if _, err := appendTo(l, state(20*time.Second, 99), map[uint32]flow.Record{0: record("192.0.2.1", "192.0.2.2", 443, 99)}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with room for %d bytes: %v", space, err)
		}
		files.UnlimitSpace()
		add(t, l, state(30*time.Second, 3), map[uint32]flow.Record{0: record("192.0.2.1", "192.0.2.2", 443, 3)})
		got := collect(t, memory.Crash(nil))
		if len(got) != 1 || len(got[0].Records) != 1 || got[0].Records[0].Counters.PacketsReceived != 3 || got[0].Torn {
			t.Errorf("with room for %d bytes: got %+v, want what came after the disk was full", space, got)
		}
	}
}

// TestFailures lets every operation fail once: a log goes on as if nothing had been, or says that it failed.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for operation := 1; ; operation++ {
		memory := vfs.NewMemory()
		files := vfs.NewFaulty(memory)
		files.FailOperation(operation, broken)
		l, err := Create(files, dir, head)
		if err != nil {
			l, err = Create(files, dir, head)
			must(t, err)
		}
		acknowledged := uint64(0)
		for i := uint64(1); i <= 3; i++ {
			if _, err := appendTo(l, state(time.Second, i), map[uint32]flow.Record{1: record("192.0.2.1", "192.0.2.2", 1, i)}); err == nil {
				acknowledged = i
			} else if !errors.Is(err, broken) {
				t.Fatal(err)
			}
		}
		if acknowledged < 2 {
			t.Fatalf("operation %d: one failure cost %d checkpoints", operation, 3-acknowledged)
		}
		if got := collect(t, memory.Crash(nil)); len(got) != 1 || got[0].Interval.Accounting.Metered != acknowledged {
			t.Fatalf("operation %d: recovered %+v, acknowledged %d", operation, got, acknowledged)
		}
		if files.Operations() < operation {
			return
		}
	}
}

// TestManyConversations spans several blocks, of which none counts before the commit.
func TestManyConversations(t *testing.T) {
	const n = 200_000
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[uint32]flow.Record{}
	for id := range uint32(n) {
		r := record("2001:db8::1", "2001:db8::2", uint16(id), 1)
		r.Key.Source[8], r.Key.Source[9] = byte(id>>16), byte(id>>8)
		r.Counters.BytesSent, r.Counters.RoundTrips = random.Uint64(), math.MaxUint64
		want[id] = r
	}
	if n*60 < 2*partSize {
		t.Fatal("too few conversations for several blocks")
	}
	size := add(t, l, state(time.Second, n), want)
	got := collect(t, files)
	if len(got) != 1 || len(got[0].Records) != n {
		t.Fatalf("recovered %d intervals", len(got))
	}
	for _, r := range got[0].Records {
		id := uint32(r.Key.Source[8])<<16 | uint32(r.Key.Source[9])<<8 | uint32(r.Key.DestinationPort)&0xff
		if want[id] != r {
			t.Fatalf("conversation %d: got %v, want %v", id, r, want[id])
		}
	}
	t.Logf("%.1f bytes per conversation", float64(size)/n)
}

func TestFileNames(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"eth0", "eth0.100", "../../etc", "..", "", "a%2eb", "a.b", "ä", "CON:", "x\x00y"} {
		got := fileName(Head{Interface: name})
		if strings.ContainsAny(got, "/\\:\x00") || strings.HasPrefix(got, "..") || seen[got] {
			t.Errorf("interface %q has file %q", name, got)
		}
		seen[got] = true
	}
}

// BenchmarkAppend is a checkpoint of 20,000 conversations; bytes/conversation is what it takes on disk.
func BenchmarkAppend(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	records := map[uint32]flow.Record{}
	for id := range uint32(20_000) {
		r := record("10.1.2.3", "192.0.2.2", 443, random.Uint64N(1000))
		r.Key.Destination[1], r.Key.Destination[2] = byte(random.Uint32()), byte(random.Uint32())
		r.Counters.BytesSent, r.Counters.PacketsSent = random.Uint64N(1e6), random.Uint64N(1000)
		records[id] = r
	}
	files := vfs.NewMemory()
	size := 0
	for b.Loop() {
		l, err := Create(files, dir, head)
		must(b, err)
		size = add(b, l, state(time.Second, 1), records)
		must(b, l.Remove())
	}
	b.ReportMetric(float64(size)/float64(len(records)), "bytes/conversation")
}

// TestOpen: what the last checkpoint says of each conversation is open; parts without commit do not count, nor does
// what was given up.
func TestOpen(t *testing.T) {
	files := vfs.NewMemory()
	l, err := Create(files, dir, head)
	must(t, err)
	say := func(id uint32, open string) {
		t.Helper()
		must(t, l.Add(&Conversation{ID: id, Record: flow.Record{Key: record("192.0.2.1", "192.0.2.2", 443, 0).Key}, Open: []byte(open)}))
	}
	commit := func(clock int64) {
		t.Helper()
		_, err := l.Commit(State{At: 7, Clock: clock})
		must(t, err)
	}
	say(1, "one")
	say(2, "two")
	say(3, strings.Repeat("x", MaxOpen))
	commit(10)
	say(2, "")
	say(1, "uno")
	commit(20)
	say(1, "lost")
	l.GiveUp()
	say(4, "four")
	commit(30)
	say(4, "without commit")
	must(t, l.Close())
	got := collect(t, files)
	if len(got) != 1 || string(got[0].Open) != "uno"+strings.Repeat("x", MaxOpen)+"four" || got[0].Clock != 30 || got[0].At != 7 || !got[0].IsEmpty() {
		t.Errorf("got %+v", got)
	}
}

// TestRecoverInterface takes the logs of one interface and leaves those of others, however they are called.
func TestRecoverInterface(t *testing.T) {
	files := vfs.NewMemory()
	for _, name := range []string{"eth0", "eth0.100", "eth00", "eth0%2e100"} {
		h := head
		h.Interface = name
		l, err := Create(files, dir, h)
		must(t, err)
		fill(t, l)
		must(t, l.Close())
	}
	var names []string
	must(t, RecoverInterface(files, dir, "eth0", func(u Unfinished) error { names = append(names, u.Interface); return nil }))
	if len(names) != 1 || names[0] != "eth0" || len(collect(t, files)) != 3 {
		t.Errorf("recovered %q", names)
	}
}
