package godb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// example is the worked example of docs/GODB.md: 54 blocks of one flow each.
func example() *testDay {
	d := &testDay{day: testDayStart, encoder: 1}
	source, _ := flow.AddressFrom(netip.MustParseAddr("154.155.44.202"))
	destination, _ := flow.AddressFrom(netip.MustParseAddr("154.155.44.118"))
	for i := range 54 {
		c := flow.Counters{BytesReceived: 244, BytesSent: 203, PacketsReceived: 5, PacketsSent: 3}
		switch i {
		case 0:
			c.BytesReceived, c.BytesSent, c.PacketsReceived = 356, 315, 7
		case 4:
			c.BytesReceived = 284
		}
		d.add(testBlock{end: 1456428875 + int64(i)*300, records: []flow.Record{{
			Key:      flow.Key{Source: source, Destination: destination, DestinationPort: 22, Protocol: 6, Family: flow.IPv4},
			Counters: c}}})
	}
	return d
}

// TestExample checks the writer against the bytes of the worked example, and the reader against the writer.
func TestExample(t *testing.T) {
	d := example()
	meta := d.meta()
	for _, c := range []struct {
		at   int
		want string
	}{
		{0x00, "00000000000000010000000000000036"},
		{0x10, "00000000000000360000000000000000"},
		{0x20, "0000000000000000"},
		{0x48, "00000000000000d8"}, // column sip: 216
		{0x50, "000000040000000401"},
		{0x59, "000000040000000401"},
		{566, "00000000000000d8"},
		{1060, "0000000000000036"},
		{1554, "000000000000006c"},
		{2048 + 8, "000000030000000301"}, // bytes_rcvd, block 0: 02 + 2 bytes
		{2048 + 17, "000000020000000201"},
		{3036, "000000000000006c"}, // pkts_rcvd: 108
		{4024, "0000000056cf574b"},
		{4032, "00000001000000000000000000000000"},
		{4048, "0000000100000000000000000000012c"},
	} {
		want, err := hex.DecodeString(c.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := meta[c.at : c.at+len(want)]; !bytes.Equal(got, want) {
			t.Errorf("metadata at %d are % x, want % x", c.at, got, want)
		}
	}
	if len(meta) != 4896 || len(d.columns[0]) != 216 || len(d.columns[6]) != 108 {
		t.Errorf("lengths %d, %d, %d, want 4896, 216, 108", len(meta), len(d.columns[0]), len(d.columns[6]))
	}
	for c, want := range map[int]string{0: "9a9b2cca9a9b2cca", 1: "9a9b2c769a9b2c76", 2: "060606", 3: "00160016",
		4: "02640101f401f401f4021c01", 5: "023b0101cb", 6: "010701050105"} {
		if got := hex.EncodeToString(d.columns[c])[:len(want)]; got != want {
			t.Errorf("column %d is %s, want %s", c, got, want)
		}
	}
	root := t.TempDir()
	d.save(t, root, "tun_3g_c1_fw1")
	all, stats := scanAll(t, mustOpen(t, root), "tun_3g_c1_fw1", 0, everything)
	checkBlocks(t, all, d.blocks)
	if stats.Blocks != 54 || stats.Rows != 54 || stats.Corrupted != 0 || stats.Days != 1 {
		t.Errorf("statistics %+v", stats)
	}
	for i, g := range all {
		if g.interval.Duration != 300*time.Second || g.interval.Sequence != 0 {
			t.Errorf("interval %d is %+v", i, g.interval)
		}
	}
}

func TestSuffix(t *testing.T) {
	totals, ok := parseTotals("1456444800_v1-0-0-yr7-j86-g9-P5")
	want := Totals{IPv4Rows: 93, BytesReceived: 28616, BytesSent: 23579, PacketsReceived: 574, PacketsSent: 361}
	if !ok || totals != want {
		t.Errorf("totals %+v, want %+v", totals, want)
	}
	if again, ok := parseTotals("1456444800_v1-0-0-yr7-j86-g9-P5_more"); !ok || again != want {
		t.Errorf("text behind a second underline matters: %+v", again)
	}
	for _, bad := range []string{"", "1456444800", "1456444800_", "1_1-2-3-4-5-6", "1_1-2-3-4-5-6-7-8", "1_1-2-3-4-5-6-!",
		"1_1-2-3-4-5-6-", "1_1-2-3-4-5-6-ZZZZZZZZZZZ", "1_1-2-3-4-5-6-000000000000"} {
		if totals, ok := parseTotals(bad); ok || totals != (Totals{}) {
			t.Errorf("%q has totals %+v", bad, totals)
		}
	}
	for _, v := range []uint64{0, 1, 61, 62, 1<<64 - 1} {
		if got, ok := parseBase62(base62(v)); !ok || got != v {
			t.Errorf("%d is read as %d, %v", v, got, ok)
		}
	}
}

// TestModel reads random databases back, with all encoders, irregular, double and backward time stamps, empty
// intervals, several interfaces and days.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			root := t.TempDir()
			want := map[string][]testBlock{}
			for _, iface := range []string{"eth0", "ppp0.100", "wlan weird"} {
				for day := range int64(1 + r.IntN(3)) {
					d := &testDay{day: testDayStart + day*secondsPerDay, encoder: []byte{0, 1, 2, 3}[r.IntN(4)]}
					end := d.day + int64(r.IntN(2000))
					for range 1 + r.IntN(12) {
						rows := []int{0, 1, 2, 50, 700, 3000, ChunkRows + 5}[r.IntN(7)]
						d.add(testBlock{end: end, dropped: uint32(r.IntN(3)), records: randomRecords(r, rows, []int{0, 40}[r.IntN(2)])})
						end = max(d.day, end+[]int64{300, 300, 301, 0, -200, 77, 4000}[r.IntN(7)])
						d.encoder = []byte{0, 1, 2, 3}[r.IntN(4)]
					}
					d.save(t, root, iface)
					want[iface] = append(want[iface], plain(d.blocks)...)
				}
			}
			db := mustOpen(t, root)
			names, err := db.Interfaces()
			if err != nil || !slices.Equal(names, []string{"eth0", "ppp0.100", "wlan weird"}) {
				t.Fatalf("interfaces %q, %v", names, err)
			}
			for iface, blocks := range want {
				all, stats := scanAll(t, db, iface, 0, everything)
				if stats.Corrupted != 0 || stats.Salvaged != 0 || stats.Replays != 0 {
					t.Fatalf("%s: statistics %+v", iface, stats)
				}
				checkBlocks(t, all, blocks)
				checkRange(t, r, db, iface, all)
				checkSummary(t, db, iface, all)
			}
		})
	}
}

// checkRange compares a scan of a part with the same part of a scan of all, identities included.
func checkRange(t *testing.T, r *rand.Rand, db *DB, iface string, all []got) {
	t.Helper()
	first := all[r.IntN(len(all))].interval.End
	last := all[r.IntN(len(all))].interval.End
	var want []got
	for _, g := range all {
		if g.interval.End >= first && g.interval.End <= last {
			want = append(want, g)
		}
	}
	part, _ := scanAll(t, db, iface, first, last)
	if len(part) != len(want) {
		t.Fatalf("%s from %d to %d: %d intervals, want %d", iface, first, last, len(part), len(want))
	}
	for i := range part {
		if part[i].interval != want[i].interval || !slices.Equal(part[i].records, want[i].records) {
			t.Fatalf("%s from %d to %d: interval %d differs", iface, first, last, i)
		}
	}
}

func checkSummary(t *testing.T, db *DB, iface string, all []got) {
	t.Helper()
	stat, err := db.Stat(t.Context(), iface)
	if err != nil {
		t.Fatal(err)
	}
	var rows, bytes uint64
	identities := map[identity]bool{}
	for i, g := range all {
		rows += uint64(len(g.records))
		for _, r := range g.records {
			bytes += r.Counters.BytesSent
		}
		id := identity{g.interval.Boot, g.interval.Sequence}
		if identities[id] {
			t.Errorf("%s: interval %d has the identity of another one", iface, i)
		}
		identities[id] = true
		if d := g.interval.Duration; d < 0 || d > longestSeconds*time.Second {
			t.Errorf("%s: interval %d is %v long", iface, i, d)
		}
	}
	if stat.Intervals != uint64(len(all)) || stat.Rows() != rows || stat.Totals.BytesSent != bytes || stat.Faults != 0 ||
		stat.First != all[0].interval.End-nominalSeconds || stat.Last != all[len(all)-1].interval.End || stat.Bytes == 0 {
		t.Errorf("%s: summary %+v, want %d intervals, %d rows, %d bytes sent", iface, stat, len(all), rows, bytes)
	}
}

// TestIdentity shows that neither place nor encoder matter, and that time, interface and rows do.
func TestIdentity(t *testing.T) {
	records := randomRecords(rand.New(rand.NewPCG(1, 2)), 200, 20)
	boot := func(iface string, encoder byte, end int64, records []flow.Record) [16]byte {
		root := t.TempDir()
		d := &testDay{day: testDayStart, encoder: encoder}
		d.add(testBlock{end: end, records: records})
		d.save(t, root, iface)
		all, _ := scanAll(t, mustOpen(t, root), iface, 0, everything)
		return all[0].interval.Boot
	}
	want := boot("eth0", 3, testDayStart+300, records)
	for _, encoder := range []byte{0, 1, 2} {
		if boot("eth0", encoder, testDayStart+300, records) != want {
			t.Errorf("encoder %d makes another interval", encoder)
		}
	}
	if boot("eth1", 3, testDayStart+300, records) == want || boot("eth0", 3, testDayStart+301, records) == want ||
		boot("eth0", 3, testDayStart+300, records[1:]) == want {
		t.Error("another interface, time or content is the same interval")
	}
}

// TestZones reads days whose directory is where a host west or east of Greenwich put it, and everything around that
// is none of our business.
func TestZones(t *testing.T) {
	root := t.TempDir()
	r := rand.New(rand.NewPCG(3, 3))
	d := &testDay{day: 1704067200, encoder: 3} // 2024-01-01
	d.add(testBlock{end: d.day + 300, records: randomRecords(r, 5, 0)})
	d.saveAs(t, filepath.Join(root, "eth0", "2023", "12", d.name()))
	next := &testDay{day: 1704067200 + secondsPerDay, encoder: 3}
	next.add(testBlock{end: next.day, records: randomRecords(r, 5, 0)}) // midnight opens the day here
	next.saveAs(t, filepath.Join(root, "eth0", "2024", "01", fmt.Sprint(next.day)))
	for _, dir := range []string{"lost+found", ".gpdb-merge-stage-1/eth0/2024/01/1704067200", "empty", "eth0/tmp", "eth0/2024/xx",
		"eth0/2024/01/abc", "eth0/2024/01/1704067201", "eth0/2024/01/-86400", "eth0/2024/01/99999999999999999999"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(root, "host.id"), []byte("0123456789abcdef0123456789abcdef\n"))
	put(t, filepath.Join(root, "eth0", "notes.txt"), []byte("hello"))
	put(t, filepath.Join(root, "eth0", "2023", "12", d.name(), ".tmp-metadata-123"), []byte("left over"))
	db := mustOpen(t, root)
	if names, err := db.Interfaces(); err != nil || !slices.Equal(names, []string{"eth0"}) {
		t.Errorf("interfaces %q, %v", names, err)
	}
	if id := db.HostID(); id != "0123456789abcdef0123456789abcdef" {
		t.Errorf("host id %q", id)
	}
	all, stats := scanAll(t, db, "eth0", 0, everything)
	checkBlocks(t, all, append(slices.Clone(d.blocks), next.blocks...))
	if stats.Corrupted != 0 {
		t.Errorf("damage: %v", stats.Damage)
	}
	for _, name := range []string{"eth1", "lost+found"} {
		if all, stats := scanAll(t, db, name, 0, everything); len(all) != 0 || stats.Corrupted != 0 {
			t.Errorf("%s has data", name)
		}
	}
	if _, err := db.Scan(t.Context(), "../eth0", 0, everything, nil); err == nil {
		t.Error("a path is an interface")
	}
}

func TestOpenRefuses(t *testing.T) {
	empty := t.TempDir()
	if _, err := Open(Config{Path: empty}, Deps{}); err == nil || !strings.Contains(err.Error(), "not a goProbe database") {
		t.Errorf("an empty directory: %v", err)
	}
	for _, path := range []string{"", filepath.Join(empty, "nowhere")} {
		if _, err := Open(Config{Path: path}, Deps{}); err == nil {
			t.Errorf("%q is a database", path)
		}
	}
}

// TestSpecialAddresses: an address whose last twelve bytes are zero stays IPv6.
func TestSpecialAddresses(t *testing.T) {
	root := t.TempDir()
	d := &testDay{day: testDayStart, encoder: 3}
	source, family := flow.AddressFrom(netip.MustParseAddr("2001:db8::"))
	d.add(testBlock{end: d.day + 300, records: []flow.Record{{Key: flow.Key{Source: source, Family: family}}}})
	d.save(t, root, "eth0")
	all, _ := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
	if got := all[0].records[0].Key.SourceAddr().String(); got != "2001:db8::" {
		t.Errorf("address is %s", got)
	}
}
