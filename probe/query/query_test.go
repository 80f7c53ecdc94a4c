package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// lines writes rows as short texts: labels, attributes, bytes received.
func lines(rows []wire.Row) []string {
	out := []string{}
	for _, r := range rows {
		var parts []string
		if !r.Labels.Timestamp.IsZero() {
			parts = append(parts, r.Labels.Timestamp.UTC().Format("15:04"))
		}
		for _, s := range []string{r.Labels.Iface, r.Labels.Host, r.Labels.HostID} {
			if s != "" {
				parts = append(parts, s)
			}
		}
		a := r.Attributes
		if a.Source.IsValid() {
			parts = append(parts, a.Source.String())
		}
		if a.Destination.IsValid() {
			parts = append(parts, a.Destination.String())
		}
		if a.DestinationPort != 0 {
			parts = append(parts, fmt.Sprint(a.DestinationPort))
		}
		if a.Protocol != 0 {
			parts = append(parts, a.Protocol.String())
		}
		if a.Verdict != "" {
			parts = append(parts, a.Verdict)
		}
		out = append(out, strings.Join(append(parts, fmt.Sprint(r.Counters.BytesReceived)), " "))
	}
	return out
}

// town is a small data set whose answers are plain to see.
func town() memory {
	m := memory{}
	m.add("eth0", noon, 1, record(0x0a000001, 0x08080808, 53, flow.UDP, 10), record(0x0a000002, 0x08080808, 443, flow.TCP, 100))
	m.add("eth0", noon+300, 2, record(0x0a000001, 0x08080808, 53, flow.UDP, 20))
	m.add("eth0", noon+600, 3)
	m.add("eth1", noon+300, 1, record(0x0a000001, 0x01010101, 443, flow.TCP, 5))
	return m
}

func TestGrouping(t *testing.T) {
	e := engine(t, Deps{Stored: town()})
	for name, c := range map[string]struct {
		request wire.Request
		want    []string
	}{
		"by default interfaces and hosts stay apart": {wire.Request{Query: "sip"}, []string{
			"eth0 host1 id1 10.0.0.2 100", "eth0 host1 id1 10.0.0.1 30", "eth1 host1 id1 10.0.0.1 5"}},
		"merge": {wire.Request{Query: "sip", Merge: true}, []string{"10.0.0.2 100", "10.0.0.1 35"}},
		"merge by named labels": {wire.Request{Query: "iface,host,proto", Merge: true}, []string{
			"eth0 host1 tcp 100", "eth0 host1 udp 30", "eth1 host1 tcp 5"}},
		"labels only": {wire.Request{Query: "time", Merge: true}, []string{"12:00 110", "12:05 25"}},
		"bins end after their last interval": {wire.Request{Query: "time", Merge: true, TimeResolution: "10m"}, []string{
			"12:00 110", "12:10 25"}},
		"row terms": {wire.Request{Query: "sip,dport", Merge: true, Condition: "dport = 443 & iface = eth0"}, []string{
			"10.0.0.2 443 100"}},
		"group terms are about sums": {wire.Request{Query: "dport", Merge: true, Condition: "bytes >= 60 & bytes < 100"}, []string{
			"53 30"}},
		"range": {wire.Request{Query: "sip", Merge: true, First: fmt.Sprint(noon + 1), Last: fmt.Sprint(noon + 300)}, []string{
			"10.0.0.1 25"}},
		"interfaces": {wire.Request{Query: "sip", Ifaces: "any,!eth0"}, []string{"eth1 host1 id1 10.0.0.1 5"}},
		"ascending":  {wire.Request{Query: "sip", Merge: true, SortAscending: true}, []string{"10.0.0.1 35", "10.0.0.2 100"}},
		"verdict":    {wire.Request{Query: "verdict", Merge: true}, []string{"n/a 135"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := ask(t, e, c.request)
			if diff := cmp.Diff(c.want, lines(result.Rows)); diff != "" {
				t.Error(diff)
			}
			if result.Status.Code != wire.CodeOK || result.Summary.Hits.Total != int64(len(c.want)) {
				t.Errorf("status %+v, hits %+v", result.Status, result.Summary.Hits)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	e := engine(t, Deps{Stored: town()})
	whole := ask(t, e, wire.Request{Query: "sip"})
	cut := ask(t, e, wire.Request{Query: "sip", NumResults: 1, Other: true})
	if diff := cmp.Diff(whole.Rows[:1], cut.Rows, cmp.Comparer(func(a, b wire.Row) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(whole.Summary.Totals, cut.Summary.Totals); diff != "" {
		t.Errorf("totals depend on the limit:\n%s", diff)
	}
	if cut.Summary.Hits != (wire.Hits{Displayed: 1, Total: 3}) {
		t.Errorf("hits %+v", cut.Summary.Hits)
	}
	want := &wire.Other{Counters: wire.Counters{BytesReceived: 35, BytesSent: 35, PacketsReceived: 3, PacketsSent: 3}, Groups: 2}
	if diff := cmp.Diff(want, cut.Summary.Other); diff != "" {
		t.Error(diff)
	}
	// A time query is cut after its first rows, in the order of time.
	first := ask(t, e, wire.Request{Query: "time", Merge: true, NumResults: 1})
	if diff := cmp.Diff([]string{"12:00 110"}, lines(first.Rows)); diff != "" || first.Summary.Hits.Total != 2 {
		t.Error(diff, first.Summary.Hits)
	}
}

func TestSeries(t *testing.T) {
	e := engine(t, Deps{Stored: town()})
	result := ask(t, e, wire.Request{Query: "time,sip", Merge: true, Series: true, Other: true, NumResults: 1})
	if diff := cmp.Diff([]string{"12:00 10.0.0.2 100"}, lines(result.Rows)); diff != "" {
		t.Error(diff)
	}
	if result.Summary.Hits != (wire.Hits{Displayed: 1, Total: 2}) {
		t.Errorf("hits count groups: %+v", result.Summary.Hits)
	}
	count := func(bytes, packets uint64) wire.Counters {
		return wire.Counters{BytesReceived: bytes, BytesSent: bytes, PacketsReceived: packets, PacketsSent: packets}
	}
	want := &wire.Other{Counters: count(35, 3), Groups: 1, Bins: []wire.OtherBin{
		{Timestamp: moment(noon), Counters: count(10, 1)}, {Timestamp: moment(noon + 300), Counters: count(25, 2)}}}
	if diff := cmp.Diff(want, result.Summary.Other); diff != "" {
		t.Error(diff)
	}
	// The third bin has no rows but is covered, which a rate of 0 is made of.
	covered := []wire.BinCoverage{{Timestamp: moment(noon), Seconds: 300}, {Timestamp: moment(noon + 300), Seconds: 300},
		{Timestamp: moment(noon + 600), Seconds: 300}}
	if diff := cmp.Diff(covered, result.Summary.Coverage); diff != "" {
		t.Error(diff)
	}
	two := ask(t, e, wire.Request{Query: "time,sip", Merge: true, Series: true, NumResults: 2, TimeResolution: "1h"})
	if diff := cmp.Diff([]string{"12:00 10.0.0.1 10", "12:00 10.0.0.2 100", "13:00 10.0.0.1 25"}, lines(two.Rows)); diff != "" {
		t.Error(diff)
	}
	terms := ask(t, e, wire.Request{Query: "time,sip", Merge: true, Series: true, Other: true, NumResults: 1, Condition: "bytes < 100"})
	if diff := cmp.Diff([]string{"12:00 10.0.0.1 10", "12:05 10.0.0.1 25"}, lines(terms.Rows)); diff != "" ||
		terms.Summary.Other.Groups != 0 || len(terms.Summary.Other.Bins) != 0 {
		t.Errorf("group terms are about the whole group, and what they refuse is not in the remainder:\n%s\n%+v", diff, terms.Summary.Other)
	}
}

func TestSummary(t *testing.T) {
	result := ask(t, engine(t, Deps{Stored: town()}), wire.Request{Query: "proto,iface", Condition: "dport = 53"})
	want := wire.Summary{
		Interfaces: []string{"eth0", "eth1"},
		TimeFirst:  moment(noon - 300), TimeLast: moment(noon + 600),
		Totals:        wire.Counters{BytesReceived: 30, BytesSent: 30, PacketsReceived: 2, PacketsSent: 2},
		Hits:          wire.Hits{Displayed: 1, Total: 1},
		DataAvailable: true,
		Stats:         wire.Stats{BlocksProcessed: 4, Workloads: 2},
		Accounting:    &wire.Accounting{Received: 8, Metered: 4, Issues: map[string]uint64{"not_ip": 4}},
	}
	if diff := cmp.Diff(want, result.Summary, cmpopts.IgnoreFields(wire.Summary{}, "Timings")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wire.Echo{Attributes: []string{"proto"}, Condition: result.Query.Condition}, result.Query); diff != "" {
		t.Error(diff)
	}
	host := result.HostsStatuses["host1"]
	if result.Hostname != "host1" || len(result.HostsStatuses) != 1 || host.Code != wire.CodeOK || host.State != wire.StateOK || host.Rows != 1 {
		t.Errorf("%q %+v", result.Hostname, result.HostsStatuses)
	}
	if _, err := json.Marshal(result); err != nil {
		t.Error(err)
	}
}

func TestStatuses(t *testing.T) {
	full := engine(t, Deps{Stored: town()})
	for name, c := range map[string]struct {
		engine  *Engine
		request wire.Request
		code    wire.Code
		state   wire.State
		message []string
	}{
		"nothing matches": {full, wire.Request{Query: "sip", Condition: "dport = 9"}, wire.CodeEmpty, wire.StateEmpty,
			[]string{"no flow in it matches"}},
		"covered, but no rows": {full, wire.Request{Query: "sip", First: fmt.Sprint(noon + 600)}, wire.CodeEmpty, wire.StateEmpty, nil},
		"outside": {full, wire.Request{Query: "sip", Ifaces: "eth0", First: "100", Last: "200"}, wire.CodeMissingData, wire.StateOutsideCoverage,
			[]string{"no data between 1970-01-01T00:01:40Z and 1970-01-01T00:03:20Z", "eth0 has data from 2026-11-21T11:55:00Z to 2026-11-21T12:10:00Z"}},
		"a gap": {full, wire.Request{Query: "sip", Ifaces: "eth0", First: fmt.Sprint(noon + 1), Last: fmt.Sprint(noon + 2)}, wire.CodeMissingData, wire.StateNoData,
			[]string{"eth0 has data from"}},
		"a name mistyped": {full, wire.Request{Query: "sip", Ifaces: "eht0"}, wire.CodeMissingData, wire.StateNoData,
			[]string{`no interface "eht0"; did you mean "eth0"?`}},
		"one name of two mistyped": {full, wire.Request{Query: "sip", Ifaces: "eth0,eht1"}, wire.CodeOK, wire.StateOK,
			[]string{`no interface "eht1"; did you mean "eth1"?`}},
		"an unlike name": {full, wire.Request{Query: "sip", Ifaces: "wlan0"}, wire.CodeMissingData, wire.StateNoData,
			[]string{`no interface "wlan0"; there are eth0, eth1`}},
		"a pattern": {full, wire.Request{Query: "sip", Ifaces: "/^x/"}, wire.CodeMissingData, wire.StateNoData,
			[]string{"no interface matches /^x/; there are eth0, eth1"}},
		"nothing at all": {engine(t, Deps{Stored: memory{}}), wire.Request{Query: "sip"}, wire.CodeMissingData, wire.StateNoData,
			[]string{"nothing has been captured yet"}},
		"an interface without data": {engine(t, Deps{Stored: memory{"lo": nil}}), wire.Request{Query: "sip"}, wire.CodeMissingData, wire.StateNoData,
			[]string{"lo has no stored data"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := ask(t, c.engine, c.request)
			s := result.Status
			if s.Code != c.code || s.State != c.state {
				t.Errorf("status %+v", s)
			}
			for _, want := range c.message {
				if !strings.Contains(s.Message, want) {
					t.Errorf("message %q, want %q in it", s.Message, want)
				}
			}
			if result.Summary.DataAvailable != (c.code != wire.CodeMissingData) || result.Rows == nil {
				t.Errorf("data available: %v, rows %v", result.Summary.DataAvailable, result.Rows)
			}
			if host := result.HostsStatuses["host1"]; host.Code != wire.CodeOK || host.State != c.state {
				t.Errorf("host %+v", host)
			}
			if _, err := json.Marshal(result); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDamageIsSaid(t *testing.T) {
	files := vfs.NewMemory()
	s, err := store.Open(store.Config{Path: "/db"}, store.Deps{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range town()["eth0"] {
		b.Sequence = uint64(i)
		if err := s.Append(context.Background(), "eth0", b.Interval, b.records); err != nil {
			t.Fatal(err)
		}
	}
	name := "/db/interfaces/eth0/2026-11-21.wlog"
	content := files.Bytes(name)
	content[len(content)/2] ^= 1
	files.SetBytes(name, content)
	result := ask(t, engine(t, Deps{Stored: Stored(s)}), wire.Request{Query: "sip"})
	if result.Status.State != wire.StatePartial || result.Summary.Stats.BlocksCorrupted != 1 ||
		!strings.Contains(result.Status.Message, "interfaces/eth0/2026-11-21.wlog") || len(result.Rows) == 0 {
		t.Errorf("%+v %+v", result.Status, result.Summary.Stats)
	}
}

func TestMaxGroups(t *testing.T) {
	e, err := New(Config{MaxGroups: 2}, Deps{Stored: town()})
	if err != nil {
		t.Fatal(err)
	}
	var limit *wire.LimitError
	if _, err := e.Query(context.Background(), prepare(t, wire.Request{Query: "sip"})); !errors.As(err, &limit) || limit.Limit != 2 {
		t.Errorf("three groups of at most two: %v", err)
	}
	if _, err := e.Query(context.Background(), prepare(t, wire.Request{Query: "sip", Merge: true})); err != nil {
		t.Errorf("two groups of at most two: %v", err)
	}
}

// endless is a source that visits until it is stopped, and cancels the query at the third visit.
type endless struct {
	memory
	cancel func()
	visits *int
}

func (e endless) Scan(_ context.Context, _ string, _, _ int64, visit Visit) (ScanStats, error) {
	rows := make([]flow.Record, 3*checkEvery)
	for {
		if *e.visits++; *e.visits == 3 {
			e.cancel()
		}
		if err := visit(flow.Interval{End: noon}, rows); err != nil {
			return ScanStats{}, err
		}
	}
}

func TestCancelling(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	visits := 0
	e := engine(t, Deps{Stored: endless{town(), cancel, &visits}})
	if _, err := e.Query(ctx, prepare(t, wire.Request{Query: "sip"})); !errors.Is(err, context.Canceled) || visits != 3 {
		t.Errorf("ended at visit %d: %v", visits, err)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{}, Deps{Stored: town()}); err == nil {
		t.Error("no groups allowed: no error")
	}
	if _, err := New(DefaultConfig(), Deps{}); err == nil {
		t.Error("no source: no error")
	}
}

// failing is a source that fails in one of its methods.
type failing struct {
	memory
	interfaces, scan error
}

func (f failing) Interfaces(ctx context.Context) ([]string, error) {
	names, _ := f.memory.Interfaces(ctx)
	return names, f.interfaces
}

func (f failing) Scan(ctx context.Context, iface string, first, last int64, visit Visit) (ScanStats, error) {
	return ScanStats{}, f.scan
}

func TestErrorsOfSources(t *testing.T) {
	broken := errors.New("broken")
	for name, deps := range map[string]Deps{
		"interfaces":      {Stored: failing{memory: town(), interfaces: broken}},
		"scan":            {Stored: failing{memory: town(), scan: broken}},
		"live interfaces": {Stored: town(), Live: failing{memory: town(), interfaces: broken}},
		"live scan":       {Stored: town(), Live: failing{memory: town(), scan: broken}},
	} {
		if _, err := engine(t, deps).Query(context.Background(), prepare(t, wire.Request{Query: "sip", Live: true})); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
