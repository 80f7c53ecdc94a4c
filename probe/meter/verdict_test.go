package meter

import (
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
)

// tcp is a TCP segment between a client and port 80 of a server.
func tcp(fromClient bool, flags uint8, sequence, acknowledgement uint32) capture.Frame {
	b := make([]byte, 40)
	b[0], b[8], b[9] = 0x45, 64, byte(flow.TCP)
	binary.BigEndian.PutUint16(b[2:], 40)
	client, server, from, to := b[12:], b[16:], b[20:], b[22:]
	if !fromClient {
		client, server, from, to = server, client, to, from
	}
	binary.BigEndian.PutUint32(client, 0x0a000001)
	binary.BigEndian.PutUint32(server, 0xc0000201)
	binary.BigEndian.PutUint16(from, 40000)
	binary.BigEndian.PutUint16(to, 80)
	binary.BigEndian.PutUint32(b[24:], sequence)
	binary.BigEndian.PutUint32(b[28:], acknowledgement)
	b[32], b[33] = 5<<4, flags
	return capture.Frame{Data: b, Length: 40, Link: packet.LinkRawIP, Sent: fromClient}
}

// The segments of a handshake.
func syn() capture.Frame    { return tcp(true, packet.SYN, 1000, 0) }
func synAck() capture.Frame { return tcp(false, packet.SYN|packet.ACK, 5000, 1001) }
func ack() capture.Frame    { return tcp(true, packet.ACK, 1001, 5001) }

// verdicts says "end packets attempts/accepts/rejects" of each block's rows together, and the round trip.
func verdicts(blocks []Block) []string {
	var lines []string
	for _, b := range blocks {
		var c flow.Counters
		for _, r := range b.Records {
			c.Add(r.Counters)
		}
		line := fmt.Sprintf("%d %d %d/%d/%d", b.Interval.End-newYear, c.Packets(), c.Attempts, c.Accepts, c.Rejects)
		if rtt, ok := c.RoundTrip(); ok {
			line += " " + rtt.String()
		}
		lines = append(lines, line)
	}
	return lines
}

// TestExpiryWithoutPackets: what nothing answers is booked in time although nothing arrives, and stored although
// its row has no packets.
func TestExpiryWithoutPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		time.Sleep(290 * time.Second)
		r.source.push(udps(0, 3)...)
		time.Sleep(15*time.Second + expireLate - time.Millisecond)
		attempts := func() uint64 {
			_, records, err := r.Live(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sum := flow.Counters{}
			for _, r := range records {
				sum.Add(r.Counters)
			}
			return sum.Attempts
		}
		if got := attempts(); got != 0 {
			t.Errorf("%d attempts are over too soon", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := attempts(); got != 3 {
			t.Errorf("%d attempts are over, want 3", got)
		}
		time.Sleep(295 * time.Second)
		if diff := cmp.Diff([]string{"300 3 0/0/0", "600 0 3/0/0", "601 0 0/0/0"}, verdicts(r.check(3, 0))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestExpiryIsBounded: many attempts that are over at once are booked in steps, at the next wake-ups.
func TestExpiryIsBounded(t *testing.T) {
	const n = 3*idleStep + 1
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.source.push(udps(0, n)...)
		time.Sleep(15*time.Second + expireLate + 4*stepPause)
		synctest.Wait()
		_, records, err := r.Live(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Counters.Attempts != 1 {
				t.Fatalf("row %+v", r)
			}
		}
		r.check(n, 0)
	})
}

// TestKillKeepsOutcomes: an outcome is in the next checkpoint although no packet came with it.
func TestKillKeepsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Millisecond, nil)
		r.source.push(udps(0, 2)...)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		got := recovered(t, r)
		if len(got) != 1 || len(got[0].Records) != 2 || got[0].Records[0].Counters.Attempts != 1 {
			t.Errorf("recovered %+v", got)
		}
		r.check(2, 0)
	})
}

// TestRoundTrip: round trips are measured by the times of the frames, however late they are read and although the
// clock is set in between; frames without time, or with one that cannot be, measure nothing.
func TestRoundTrip(t *testing.T) {
	for name, test := range map[string]struct {
		stamp func(now time.Time) int64
		step  time.Duration
		want  string
	}{
		"frame times":     {time.Time.UnixNano, 0, "1 3 1/1/0 50ms"},
		"clock is set":    {time.Time.UnixNano, -30 * time.Minute, "1 3 1/1/0 50ms"},
		"no times":        {func(time.Time) int64 { return 0 }, 0, "1 3 1/1/0"},
		"times of others": {func(now time.Time) int64 { return now.UnixNano() / 2 }, 0, "1 3 1/1/0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, 0, nil)
				push := func(f capture.Frame, late time.Duration) { // late is how long it takes until it is read
					f.Time = test.stamp(r.deps.Now())
					time.Sleep(late)
					r.source.push(f)
					synctest.Wait()
				}
				push(syn(), 17*time.Millisecond)
				r.step.Store(int64(test.step))
				time.Sleep(20 * time.Millisecond)
				push(synAck(), 4*time.Millisecond)
				time.Sleep(9 * time.Millisecond)
				push(ack(), time.Millisecond)
				time.Sleep(time.Second - time.Since(time.Unix(newYear, 0)))
				r.step.Store(0)
				if diff := cmp.Diff([]string{test.want}, verdicts(r.check(3, 0))); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestTraceVerdicts: in a trace attempts expire by its time, and at its end.
func TestTraceVerdicts(t *testing.T) {
	stamped := func(f capture.Frame, seconds float64) capture.Frame {
		f.Time = int64((newYear + seconds) * 1e9)
		return f
	}
	for name, test := range map[string]struct {
		frames []capture.Frame
		want   []string
	}{
		"handshake":                  {[]capture.Frame{stamped(syn(), 1), stamped(synAck(), 1.25), stamped(ack(), 1.5)}, []string{"300 3 1/1/0 500ms"}},
		"without times, but for one": {[]capture.Frame{stamped(syn(), 1), synAck(), ack()}, []string{"300 3 1/1/0"}},
		"ACK without time":           {[]capture.Frame{stamped(syn(), 1), stamped(synAck(), 1.25), stamped(arp(), 3), ack()}, []string{"300 3 1/1/0"}},
		"over by the next frame":     {at(1, 17, 18), []string{"300 3 3/0/0"}},
		"over before the border":     {at(1, 400), []string{"300 1 1/0/0", "600 1 1/0/0"}},
		"over behind the border":     {at(299, 400), []string{"300 1 0/0/0", "600 1 2/0/0"}},
		"over in a gap":              {at(299, 10000), []string{"300 1 0/0/0", "10200 1 2/0/0"}},
		"open at the end":            {[]capture.Frame{stamped(syn(), 1)}, []string{"300 1 1/0/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, err := replay(t, capture.NewReplay(test.frames, 1), &fakeSink{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, verdicts(blocks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
