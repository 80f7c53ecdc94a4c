package query

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// rotating is a live source whose interval is written to the store at some moment: when the engine has read the
// live source, or before.
type rotating struct {
	memory
	after func()
}

func (r rotating) Scan(ctx context.Context, iface string, first, last int64, visit Visit) (ScanStats, error) {
	stats, err := r.memory.Scan(ctx, iface, first, last, visit)
	r.after()
	return stats, err
}

// current is the interval that is being counted 100 s after noon, with a nominal end at 12:05.
func current(records ...flow.Record) memory {
	m := memory{}
	m.add("eth0", noon+300, 2, records...)
	m["eth0"][0].Duration = 100 * time.Second
	return m
}

func TestLive(t *testing.T) {
	row := record(0x0a000001, 0x08080808, 53, flow.UDP, 10)
	past := memory{}
	past.add("eth0", noon, 1, row)
	live := current(row)
	live.add("wlan0", noon+300, 1, row) // has nothing stored yet
	e := engine(t, Deps{Stored: past, Live: live})
	last := func(seconds int64) string { return moment(noon + seconds).Format(time.RFC3339) }
	for name, c := range map[string]struct {
		request wire.Request
		want    []string
	}{
		"asked for, until now": {wire.Request{Query: "time", Live: true, Last: last(100)}, []string{
			"12:00 eth0 host1 id1 10", "12:05 eth0 host1 id1 10", "12:05 wlan0 host1 id1 10"}},
		"until the end of time":                      {wire.Request{Query: "sip", Live: true, Merge: true}, []string{"10.0.0.1 30"}},
		"not asked for":                              {wire.Request{Query: "sip", Merge: true}, []string{"10.0.0.1 10"}},
		"a range that ends when the interval starts": {wire.Request{Query: "sip", Live: true, Merge: true, Last: last(0)}, []string{"10.0.0.1 10"}},
		"a second more":                              {wire.Request{Query: "sip", Live: true, Merge: true, Last: last(1)}, []string{"10.0.0.1 30"}},
		"from its nominal end on":                    {wire.Request{Query: "sip", Live: true, Merge: true, First: last(300)}, []string{"10.0.0.1 20"}},
		"from a second behind":                       {wire.Request{Query: "sip", Live: true, Merge: true, First: last(301)}, []string{}},
		"the condition is about live rows too":       {wire.Request{Query: "sip", Live: true, Merge: true, Condition: "dport != 53"}, []string{}},
		"an interface only live":                     {wire.Request{Query: "sip", Live: true, Ifaces: "wlan0"}, []string{"wlan0 host1 id1 10.0.0.1 10"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(ask(t, e, c.request).Rows)); diff != "" {
				t.Error(diff)
			}
		})
	}
	result := ask(t, e, wire.Request{Query: "sip", Live: true, Last: last(100), Ifaces: "wlan0"})
	if s := result.Summary; !s.TimeFirst.Equal(moment(noon-200)) || !s.TimeLast.Equal(moment(noon+100)) || !s.DataAvailable {
		t.Errorf("the current interval covers what has passed of it: %v to %v", s.TimeFirst, s.TimeLast)
	}
	series := ask(t, e, wire.Request{Query: "time,sip", Live: true, Series: true, Merge: true})
	want := []wire.BinCoverage{{Timestamp: moment(noon), Seconds: 300}, {Timestamp: moment(noon + 300), Seconds: 300}}
	if diff := cmp.Diff(want, series.Summary.Coverage); diff != "" {
		t.Error(diff)
	}
}

// TestRotationDuringQuery: an interval counts once, whenever it is written, and in full if that was in time.
func TestRotationDuringQuery(t *testing.T) {
	half, whole := record(0x0a000001, 1, 53, flow.UDP, 10), record(0x0a000001, 1, 53, flow.UDP, 15)
	past := memory{}
	past.add("eth0", noon, 1, half)
	written := memory{}
	written.add("eth0", noon, 1, half)
	written.add("eth0", noon+300, 2, whole)
	next := memory{}
	next.add("eth0", noon+600, 3, half)
	both := current(half)
	both.add("eth0", noon+600, 3, half)
	now := noon + 300
	for name, c := range map[string]struct {
		live, before, after memory // the store before and after the live source was read
		want                []string
	}{
		"not yet written":                    {current(half), past, past, []string{"10.0.0.1 20"}},
		"written while the query runs":       {current(half), past, written, []string{"10.0.0.1 25"}},
		"written before, and counting again": {next, written, written, []string{"10.0.0.1 25"}},
		"rotated, being written":             {both, past, past, []string{"10.0.0.1 20"}},
		"rotated, then written":              {both, past, written, []string{"10.0.0.1 25"}},
	} {
		t.Run(name, func(t *testing.T) {
			stored := memory{"eth0": c.before["eth0"]}
			live := rotating{c.live, func() { stored["eth0"] = c.after["eth0"] }}
			e := engine(t, Deps{Stored: stored, Live: live, Now: func() time.Time { return time.Unix(now-1, 5e8) }})
			// The question ends at the last second of the interval that is current when it is asked.
			request := wire.Request{Query: "sip", Merge: true, Live: true, Last: moment(now - 1).Format(time.RFC3339)}
			if diff := cmp.Diff(c.want, lines(ask(t, e, request).Rows)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPartsOfAnInterval(t *testing.T) {
	m := memory{}
	row := record(0x0a000001, 1, 53, flow.UDP, 10)
	m.add("eth0", noon, 1, row)
	m.add("eth0", noon, 2, row, row, row)
	m["eth0"][0].Duration, m["eth0"][1].Duration = 60*time.Second, 90*time.Second
	result := ask(t, engine(t, Deps{Stored: m}), wire.Request{Query: "time,sip", Merge: true, Series: true})
	if diff := cmp.Diff([]string{"12:00 10.0.0.1 40"}, lines(result.Rows)); diff != "" {
		t.Error(diff)
	}
	want := []wire.BinCoverage{{Timestamp: moment(noon), Seconds: 150}}
	if diff := cmp.Diff(want, result.Summary.Coverage); diff != "" {
		t.Error(diff)
	}
}

// An explanation lists what is in no segment, too: logs and what is counted now.
func TestExplainLogAndLive(t *testing.T) {
	row := record(0x0a000001, 0x08080808, 53, flow.UDP, 10)
	past := memory{}
	past.add("eth0", noon, 1, row, record(0x0a000002, 0x08080808, 53, flow.UDP, 10))
	result := ask(t, engine(t, Deps{Stored: past, Live: current(row)}), wire.Request{Query: "sip", Live: true, Explain: true})
	want := []wire.ExplainStep{
		{Source: "eth0 log", Method: "rows", Reason: "in no segment yet", Rows: 2, BytesRead: result.Summary.Explain.BytesRead},
		{Source: "eth0 live", Method: "rows", Reason: "counted now, in memory", Rows: 1},
	}
	if diff := cmp.Diff(want, result.Summary.Explain.Steps); diff != "" {
		t.Error(diff)
	}
}
