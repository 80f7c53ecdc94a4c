package query

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// TestDamagedSums: where what only speeds an answer up is damaged, the rows give the same answer, and the answer says so.
func TestDamagedSums(t *testing.T) {
	m := memory{}
	for i := range uint64(30) {
		six := record(0x0a000000+uint32(i%7), 0x08080808, 443, flow.TCP, 10+i)
		six.Key.Family = flow.IPv6
		m.add("eth0", noon+3600*int64(i%10)+int64(i/10)*300, i, six,
			record(0x0a000000+uint32(i%9), 0x08080800+uint32(i%20), 53, flow.UDP, 10),
			record(0x0a000100+uint32(i), 0x08080808, uint16(1000+i), flow.TCP, 10))
	}
	files := vfs.NewMemory()
	// No rollups for services of a single row: they are looked for in rows.
	good := writeTo(t, files, segment.Config{ChunkTuples: 10, ChunkRows: 100, RollupRows: 4}, "eth0", m["eth0"])
	content := bytes.Clone(files.Bytes("/s/segment"))
	requests := []wire.Request{
		{Query: "sip", Merge: true},
		{Query: "sip,iface", Condition: "sip = 10.0.0.0/24", Merge: true},
		{Query: "time,sip", TimeResolution: "6h", Merge: true},
		{Query: "proto", Merge: true},
		{Query: "dport,proto", Condition: "dport = 53 | dport > 1000", Merge: true},
		{Query: "time,dport", Merge: true},
		{Query: "dport", First: fmt.Sprint(noon + 3600), Merge: true},
		{Query: "time", Merge: true},
		{Query: "iface", Merge: true},
		{Query: "time,dport", Series: true, Other: true, NumResults: 2, Merge: true},
		{Query: "sip", Seen: true, Merge: true},
		{Query: "sip,dport", Condition: "dip = 8.8.8.3", Merge: true},
	}
	var whole []*wire.Result
	for _, q := range requests {
		whole = append(whole, ask(t, engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {good}}}}), q))
	}
	said := map[string]int{}
	r := testenv.Random(t)
	stride := int64(19)
	if testing.Short() { // with the race detector
		stride = 199
	}
	aids := []string{"sums by source", "index of sums by source", "sums by service", "sums by stamp", "rollups", "index of rollups",
		"postings", "index of postings"}
	for _, section := range good.Sections() {
		if !slices.Contains(aids, section.Name) {
			continue
		}
		for at := section.Offset; at < section.Offset+section.Bytes; at += 1 + r.Int64N(stride) {
			damaged := bytes.Clone(content)
			damaged[at] ^= byte(1 + r.IntN(255))
			files.SetBytes("/s/segment", damaged)
			f, err := files.Open("/s/segment")
			if err != nil {
				t.Fatal(err)
			}
			reader, err := segment.Open(f, "eth0/x.wseg")
			if err != nil {
				t.Fatalf("%s, byte %d: %v", section.Name, at, err)
			}
			for i, q := range requests {
				for name, c := range map[string]Config{"one": {MaxGroups: 1 << 20, Parallel: 1}, "three": {MaxGroups: 1 << 20, Parallel: 3}} {
					e, err := New(c, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {reader}}}, Host: "probe-a", HostID: "id-a"})
					if err != nil {
						t.Fatal(err)
					}
					got, what := ask(t, e, q), fmt.Sprintf("%s, byte %d, %s, question %d", section.Name, at, name, i)
					if diff := gocmp.Diff(whole[i].Rows, got.Rows, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
						t.Fatalf("%s:\n%s", what, diff)
					}
					a, b := whole[i].Summary, got.Summary
					if a.Totals != b.Totals || a.Hits != b.Hits || gocmp.Diff(a.Other, b.Other) != "" || got.Status.State != wire.StateOK ||
						got.Summary.Stats.BlocksCorrupted != 0 {
						t.Fatalf("%s: %+v, %+v", what, b, got.Status)
					}
					if strings.Contains(got.Status.Message, "damaged in a segment: segment eth0/x.wseg, bytes") {
						said[section.Name]++
					} else if got.Status.Message != "" {
						t.Fatalf("%s: %s", what, got.Status.Message)
					}
				}
			}
		}
	}
	for _, name := range aids {
		if said[name] == 0 {
			t.Errorf("no question met the damage in %s", name)
		}
	}
	t.Log(said)
}
