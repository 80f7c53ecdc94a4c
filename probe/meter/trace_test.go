package meter

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

// replay meters a trace and returns its blocks.
func replay(t *testing.T, source capture.Source, sink *fakeSink) ([]Block, error) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Interface, cfg.Trace = "eth0", true
	m, err := New(cfg, Deps{Source: source, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Run(t.Context())
	return sink.stored(), err
}

// at gives frames with these times, in seconds after the new year.
func at(seconds ...float64) []capture.Frame {
	var frames []capture.Frame
	for i, s := range seconds {
		f := udp(i)
		f.Time = int64((newYear + s) * 1e9)
		frames = append(frames, f)
	}
	return frames
}

func TestTrace(t *testing.T) {
	const day = 86400
	withoutTime := at(100, 0, 0, 400)
	withoutTime[1].Time, withoutTime[2].Time = 0, 0
	for name, test := range map[string]struct {
		frames []capture.Frame
		want   []string
	}{
		"nothing":                         {nil, nil},
		"one":                             {at(10), []string{"300 1s 1"}},
		"within an interval":              {at(10, 20, 250), []string{"300 4m0s 3"}},
		"equal times":                     {at(5, 5, 5), []string{"300 1s 3"}},
		"border belongs to the next":      {at(299.5, 300), []string{"300 500ms 1", "600 1s 1"}},
		"gap":                             {at(200, 10*day+100), []string{"300 1m40s 1", "864300 1m40s 1"}},
		"a little late":                   {at(290, 310, 295, 320), []string{"300 10s 1", "600 20s 3"}},
		"back a day":                      {at(2*day, day+100, day+200), []string{"173100 5m0s 1", "86700 3m20s 2"}},
		"without time: as the one before": {withoutTime, []string{"300 3m20s 3", "600 1m40s 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, err := replay(t, capture.NewReplay(test.frames, 1), &fakeSink{})
			if err != nil {
				t.Fatal(err)
			}
			checkBlocks(t, blocks, len(test.frames), 0)
			if diff := cmp.Diff(test.want, stamps(blocks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTraceTimes: absurd times are brought to where they can be stamped.
func TestTraceTimes(t *testing.T) {
	frames := at(0, 0, 0)
	frames[0].Time, frames[1].Time, frames[2].Time = -1<<63, 1<<63-1, 1
	blocks, err := replay(t, capture.NewReplay(frames, 1), &fakeSink{})
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, blocks, 3, 0)
	for _, b := range blocks {
		if b.Interval.End < 1 || b.Interval.Duration < 0 || b.Interval.Duration > 5*time.Minute {
			t.Errorf("interval %+v", b.Interval)
		}
	}
}

func TestTraceSinkFails(t *testing.T) {
	sink := &fakeSink{}
	sink.failWith(errFull)
	if _, err := replay(t, capture.NewReplay(at(1, 1000, 2000), 1), sink); !errors.Is(err, errFull) || sink.tries != 1 {
		t.Errorf("got %v after %d tries", err, sink.tries)
	}
}

func TestTraceCancelled(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Interface, cfg.Trace = "eth0", true
	sink := &fakeSink{}
	m, err := New(cfg, Deps{Source: capture.NewReplay(at(1, 2, 3), -1), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- m.Run(ctx) }()
	for seen := 0; seen == 0; { // who asks may come before the first frame
		_, records, err := m.Live(ctx)
		if err != nil || len(records) > 3 {
			t.Fatalf("live view: %d rows, %v", len(records), err)
		}
		seen = len(records)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if blocks := sink.stored(); len(blocks) != 1 || blocks[0].Interval.Accounting.Received != m.Status().Total.Received {
		t.Errorf("%d blocks, status %+v", len(blocks), m.Status())
	}
}

// shared are packets, bytes and IP packets of the shared traces, as their SOURCES.md says.
var shared = map[string][3]uint64{
	"zeek-ftp_ipv6.pcap":                  {136, 16479, 136},
	"zeek-ftp_bruteforce.pcap":            {606, 45447, 606},
	"zeek-communityid_icmp6.pcap":         {49, 4548, 49},
	"zeek-mixed-vlan-mpls.pcap":           {47, 16403, 47},
	"zeek-http-qinq-0.pcap":               {14, 6199, 14},
	"zeek-ipv6-fragmented-dns.pcap":       {8, 4620, 8},
	"zeek-ssh_ssh.pcap":                   {1797, 1291435, 1797},
	"arkime-gre-sample.pcap":              {40, 6731, 40},
	"arkime-vxlan.pcap":                   {10, 1368, 10},
	"arkime-sctp-www.pcap":                {84, 47624, 84},
	"arkime-igmp.pcap":                    {29, 1590, 29},
	"arkime-no-syn-ack.pcap":              {10, 2705, 10},
	"sv-dhcp-request-flood_test.pcap":     {10000, 2860000, 10000},
	"sv-decode-sll2-02_input.pcap":        {159, 2610421, 159},
	"tcpdump-bigtcp-ipv4.pcap":            {1, 80066, 1},
	"zeek-icmp_icmp-destunreach-udp.pcap": {1, 194, 1},
}

// TestTraces replays every shared trace: nothing is lost on the way, and there is no empty interval.
func TestTraces(t *testing.T) {
	for name, want := range shared {
		t.Run(name, func(t *testing.T) {
			source, err := capture.OpenTrace(testenv.Shared(t, "pcaps", name), capture.TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			blocks, err := replay(t, source, &fakeSink{})
			if err != nil {
				t.Fatal(err)
			}
			var bytes uint64
			var total flow.Accounting
			for _, b := range blocks {
				total.Add(b.Interval.Accounting)
				if b.Interval.Accounting.Received == 0 {
					t.Errorf("interval %d is empty", b.Interval.End)
				}
				for _, r := range b.Records {
					bytes += r.Counters.Bytes()
				}
			}
			checkBlocks(t, blocks, int(total.Metered), int(total.Issues[flow.IssueNotIP]))
			if got := [3]uint64{total.Received, bytes, total.Metered}; got != want {
				t.Errorf("packets, bytes, IP packets are %d, want %d", got, want)
			}
		})
	}
}
