package godb

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weirflow/weir/pkg/flow"
)

type csvPart struct {
	iface    string
	interval flow.Interval
	records  []flow.Record
}

func readCSV(t testing.TB, text string, cfg CSVConfig) ([]csvPart, CSVStats) {
	t.Helper()
	var parts []csvPart
	stats, err := ReadCSV(t.Context(), strings.NewReader(text), cfg, func(iface string, iv flow.Interval, records []flow.Record) error {
		parts = append(parts, csvPart{iface, iv, slices.Clone(records)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts, stats
}

// TestCSVModel writes random rows as CSV, with the columns in any order and the lines in any order, and reads them back.
func TestCSVModel(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 4))
		want := map[csvGroup][]flow.Record{}
		columns := r.Perm(len(csvNames) + 1)
		name := func(i int) string {
			if i == len(csvNames) {
				return "%"
			}
			return csvNames[i]
		}
		var lines []string
		for i := range int64(1 + r.IntN(6)) {
			g := csvGroup{end: testDayStart + i*300, iface: []string{"eth0", "br-1"}[r.IntN(2)]}
			want[g] = randomRecords(r, 1+r.IntN(40), 10)
			for j := range want[g] {
				c := &want[g][j].Counters
				c.Attempts, c.Accepts, c.Rejects, c.RoundTripNanoseconds, c.RoundTrips = r.Uint64N(3), r.Uint64N(3), r.Uint64N(3), r.Uint64(), r.Uint64N(3)
			}
			for _, rec := range want[g] {
				c := rec.Counters
				cells := []string{fmt.Sprint(g.end), g.iface, rec.Key.SourceAddr().String(), rec.Key.DestinationAddr().String(),
					fmt.Sprint(rec.Key.DestinationPort), fmt.Sprint(uint8(rec.Key.Protocol)), fmt.Sprint(c.BytesReceived),
					fmt.Sprint(c.BytesSent), fmt.Sprint(c.PacketsReceived), fmt.Sprint(c.PacketsSent), fmt.Sprint(c.Attempts), fmt.Sprint(c.Accepts),
					fmt.Sprint(c.Rejects), fmt.Sprint(c.RoundTripNanoseconds), fmt.Sprint(c.RoundTrips), "1.5"}
				if r.IntN(2) == 0 {
					cells[5] = strings.ToUpper(rec.Key.Protocol.String())
				}
				var line []string
				for _, column := range columns {
					line = append(line, cells[column])
				}
				lines = append(lines, strings.Join(line, ","))
			}
		}
		var head []string
		for _, column := range columns {
			head = append(head, " "+strings.ToUpper(name(column)))
		}
		in := strings.Join(head, ",") + "\r\n" + strings.Join(lines, "\r\n")
		parts, stats := readCSV(t, in, CSVConfig{})
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		again, _ := readCSV(t, "\ufeff"+strings.Join(head, ",")+"\n"+strings.Join(lines, "\n")+"\n", CSVConfig{})
		if stats.Bad > 0 || len(parts) != len(want) || len(again) != len(parts) {
			t.Fatalf("seed %d: %d parts, %d intervals, %+v", seed, len(parts), len(want), stats)
		}
		for i, p := range parts {
			records := want[csvGroup{p.interval.End, p.iface}]
			if !slices.Equal(p.records, records) || p.interval.Sequence != 0 || p.interval.Duration.Seconds() != nominalSeconds {
				t.Errorf("seed %d: part %d is %+v", seed, i, p.interval)
			}
			if again[i].interval != p.interval {
				t.Errorf("seed %d: in another order part %d is %+v", seed, i, again[i].interval)
			}
		}
	}
}

const csvHead = "time,iface,sip,dip,dport,proto,packets sent,data vol. sent,packets received,data vol. received\n"

// TestCSVParts: what does not fit into memory makes parts, which add up and are always the same.
func TestCSVParts(t *testing.T) {
	var b strings.Builder
	b.WriteString(csvHead)
	for i := range 3 * bufferRows / 2 {
		fmt.Fprintf(&b, "%d,eth0,10.0.%d.%d,10.0.0.1,%d,6,1,60,0,0\n", testDayStart+300*(i%2), byte(i>>8), byte(i), i>>16)
	}
	parts, stats := readCSV(t, b.String(), CSVConfig{})
	again, _ := readCSV(t, b.String(), CSVConfig{})
	rows, packets := 0, uint64(0)
	seen := map[identity]bool{}
	seconds := 0.0
	for i, p := range parts {
		rows += len(p.records)
		packets += p.interval.Accounting.Metered
		seconds += p.interval.Duration.Seconds()
		id := identity{p.interval.Boot, p.interval.Sequence}
		if seen[id] || again[i].interval != p.interval {
			t.Errorf("part %d is %+v, then %+v", i, p.interval, again[i].interval)
		}
		seen[id] = true
	}
	if rows != 3*bufferRows/2 || stats.Rows != uint64(rows) || packets != uint64(rows) || len(parts) < 3 || seconds != 600 {
		t.Errorf("%d rows in %d parts of %v s", rows, len(parts), seconds)
	}
}

// orderedCSV is rows of two interfaces in the order of time, per of them in an interval of each.
func orderedCSV(rows, per int) string {
	var b strings.Builder
	b.WriteString(csvHead)
	for i := range rows {
		fmt.Fprintf(&b, "%d,eth%d,10.%d.%d.%d,10.0.0.1,443,6,1,60,0,0\n", testDayStart+int64(300*(i/2/per)), i%2, byte(i>>16), byte(i>>8), byte(i))
	}
	return b.String()
}

// readCut reads what there is of a file up to a line, behind which reading fails.
func readCut(t *testing.T, text string, lines int) (parts []csvPart, rows int) {
	t.Helper()
	at := 0
	for range lines {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	broken := errors.New("cut")
	_, err := ReadCSV(t.Context(), io.MultiReader(strings.NewReader(text[:at]), iotest.ErrReader(broken)), CSVConfig{},
		func(iface string, iv flow.Interval, records []flow.Record) error {
			parts = append(parts, csvPart{iface, iv, slices.Clone(records)})
			rows += len(records)
			return nil
		})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	return parts, rows
}

// TestCSVCutShort: wherever reading ends, what was handed over until then is what the whole file begins with, so that a
// second import knows it; of rows in the order of time, that is nearly all.
func TestCSVCutShort(t *testing.T) {
	const rows, per = 3*settledRows + 1000, 700
	ordered := orderedCSV(rows, per)
	late := ordered + strings.TrimPrefix(orderedCSV(settledRows, per), csvHead) // intervals of which more comes when they seemed complete
	for _, text := range []string{ordered, late} {
		whole, stats := readCSV(t, text, CSVConfig{})
		sum := 0
		for _, p := range whole {
			sum += len(p.records)
		}
		if stats.Bad > 0 || uint64(sum) != stats.Rows {
			t.Fatalf("%d rows, %+v", sum, stats)
		}
		for _, lines := range []int{1, settledRows, settledRows + 2, 2*settledRows - 77, 2*settledRows + 100, rows, rows + settledRows/2} {
			if lines > int(stats.Lines) {
				continue
			}
			parts, n := readCut(t, text, lines)
			for i, p := range parts {
				if p.iface != whole[i].iface || p.interval != whole[i].interval || !slices.Equal(p.records, whole[i].records) {
					t.Fatalf("cut behind %d lines, part %d is %+v, of the whole file %+v", lines, i, p.interval, whole[i].interval)
				}
			}
			if least := min(lines, rows) - settledRows - 4*per; n < least {
				t.Errorf("cut behind %d lines: %d rows, at least %d are due", lines, n, least)
			}
		}
	}
}

// TestCSVSelection: the parts of an interface are the same whether the others are read or not, also where a second export
// follows.
func TestCSVSelection(t *testing.T) {
	first := orderedCSV(100_000, 700)
	second := strings.ReplaceAll(strings.TrimPrefix(first, csvHead), ",10.", ",11.")
	far := orderedCSV(bufferRows*3/2, 700)
	for _, text := range []string{first, first + second, far + second} {
		all, stats := readCSV(t, text, CSVConfig{})
		for _, iface := range []string{"eth0", "eth1"} {
			got, some := readCSV(t, text, CSVConfig{Only: []string{iface}})
			want := slices.Clone(all)
			want = slices.DeleteFunc(want, func(p csvPart) bool { return p.iface != iface })
			same := func(a, b csvPart) bool {
				return a.iface == b.iface && a.interval == b.interval && slices.Equal(a.records, b.records)
			}
			if !slices.EqualFunc(got, want, same) {
				t.Errorf("%s alone: %d parts, among all %d", iface, len(got), len(want))
			}
			if some.Rows+some.Passed != stats.Rows || some.Passed == 0 || some.Bad > 0 {
				t.Errorf("%s alone: %+v, all: %+v", iface, some, stats)
			}
		}
	}
}

func TestCSVFaults(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine)
	parts, stats := readCSV(t, csvHead+
		"1456358700,eth0,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		long+"\n"+
		"1456358700,,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		"0,eth0,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		"253402300800,eth0,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		"1456358700,eth0,fe80::1%eth0,fe80::2,80,6,1,60,0,0\n"+
		"1456358700,eth0,10.0.0.1,10.0.0.2,80,6,1,60,0,18446744073709551616\n"+
		"1456358700,eth0,10.0.0.1,10.0.0.2,80,256,1,60,0,0\n"+
		"1456358700,eth0,\"10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		"1456358700,eth0,10.0.0.1,10.0.0.2,80,6,18446744073709551615,60,0,0\n"+
		"Overall packets,17\n"+long, CSVConfig{})
	if len(parts) != 1 || len(parts[0].records) != 2 || stats.Bad != 9 || stats.Trailer != 1 || stats.Lines != 13 {
		t.Fatalf("%d parts, %+v", len(parts), stats)
	}
	for i, want := range []string{"line 3: longer than", "line 4: no interface", "line 5: time \"0\"", "line 6: time", "line 7: \"fe80::1%eth0\" is no",
		"line 8: data vol. received", "line 9: protocol \"256\"", "line 10: ", "line 13: longer than"} {
		if got := stats.BadLines[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("fault %d is %q, want %q", i, got, want)
		}
	}
	for head, want := range map[string]string{"": "the file is empty", "time,time\n": "stands there twice", "a,b\n": "no column time", long: "longer than"} {
		_, err := ReadCSV(t.Context(), strings.NewReader(head), CSVConfig{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", head, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadCSV(t.Context(), iotest.ErrReader(broken), CSVConfig{}, nil); !errors.Is(err, broken) {
		t.Errorf("error of the reader: %v", err)
	}
	stop := func(string, flow.Interval, []flow.Record) error { return broken }
	if _, err := ReadCSV(t.Context(), strings.NewReader(csvHead+"1456358700,eth0,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"), CSVConfig{}, stop); !errors.Is(err, broken) {
		t.Errorf("error of emit: %v", err)
	}
}

// TestCSVNames: rows whose first field looks like that of a line with totals are rows; a name that no store takes costs its
// line alone; packets are not counted beyond the greatest number.
func TestCSVNames(t *testing.T) {
	head := "iface,time,sip,dip,dport,proto,packets sent,data vol. sent,packets received,data vol. received\n"
	parts, stats := readCSV(t, head+
		"interface1,1456358700,10.0.0.1,10.0.0.2,80,6,18446744073709551615,60,18446744073709551615,0\n"+
		strings.Repeat("x", 65)+",1456358700,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		strings.Repeat("x", 64)+",1456358700,10.0.0.1,10.0.0.2,80,6,1,60,0,0\n"+
		"Overall packets,17\nInterface,interface1\n", CSVConfig{})
	if len(parts) != 2 || parts[0].iface != "interface1" || stats.Rows != 2 || stats.Bad != 1 || stats.Trailer != 2 {
		t.Fatalf("%d parts, %+v", len(parts), stats)
	}
	if a := parts[0].interval.Accounting; a.Metered != 1<<64-1 || a.Received != a.Metered {
		t.Errorf("%+v", a)
	}
	if got := stats.BadLines[0].String(); !strings.HasPrefix(got, "line 3: interface ") || !strings.HasSuffix(got, "longer than 64 bytes") {
		t.Error(got)
	}
}

// FuzzCSV: no text makes the reader panic, lose count of lines, or deliver rows of two families.
func FuzzCSV(f *testing.F) {
	f.Add(csvHead + "1456358700,eth0,10.0.0.1,10.0.0.2,80,tcp,1,60,0,0\nInterface,eth0\n")
	f.Add("\"time\",iface\n\n\n,\"")
	f.Fuzz(func(t *testing.T, text string) {
		rows := uint64(0)
		stats, err := ReadCSV(t.Context(), strings.NewReader(text), CSVConfig{Interface: "eth0"}, func(_ string, iv flow.Interval, records []flow.Record) error {
			rows += uint64(len(records))
			for _, r := range records {
				if r.Key.SourceAddr().Is4() != (r.Key.Family == flow.IPv4) || iv.End <= 0 || r.Key.SourceAddr() == (netip.Addr{}) {
					t.Fatalf("row %+v at %d", r, iv.End)
				}
			}
			return nil
		})
		if err == nil && (rows != stats.Rows || stats.Rows+stats.Bad+stats.Trailer >= stats.Lines) {
			t.Fatalf("%d rows, %+v", rows, stats)
		}
	})
}

// BenchmarkCSV reads lines such as flowgen writes: ns/row.
func BenchmarkCSV(b *testing.B) {
	var text strings.Builder
	text.WriteString(csvHead)
	r := rand.New(rand.NewPCG(1, 1))
	const rows = 100_000
	for i := range rows {
		fmt.Fprintf(&text, "%d,eth0,10.10.%d.%d,%d.%d.%d.7,443,6,%d,%d,%d,%d\n", testDayStart+300*(1+i/4000), r.IntN(8), r.IntN(250),
			20+r.IntN(200), r.IntN(256), r.IntN(256), r.IntN(1000), r.IntN(1_000_000), r.IntN(1000), r.IntN(1_000_000))
	}
	for b.Loop() {
		if _, err := ReadCSV(b.Context(), strings.NewReader(text.String()), CSVConfig{}, func(string, flow.Interval, []flow.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
