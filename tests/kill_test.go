//go:build linux

package tests

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// moment is what a packet may be older than the checkpoint's period when it is lost: the kernel hands it over after
// 100 ms, and the checkpoint has to be written.
const moment = 500 * time.Millisecond

// A probe that is killed loses the end of what it saw, no more than its checkpoints say, and nothing twice.
func TestKillNine(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip")
	t.Parallel()
	t.Run("between checkpoints", func(t *testing.T) {
		t.Parallel()
		k := newVictim(t, "interval: 1m, checkpoint: 2s", 2*time.Second)
		for _, age := range []time.Duration{2900 * time.Millisecond, 3700 * time.Millisecond, 4300 * time.Millisecond} {
			k.round(t, time.Now().Add(age))
		}
		k.end(t)
	})
	t.Run("while the store is written", func(t *testing.T) {
		t.Parallel()
		k := newVictim(t, "interval: 1s, checkpoint: 1s", time.Second)
		for _, late := range []time.Duration{0, 1, 2, 4, 8} {
			k.round(t, time.Now().Add(1500*time.Millisecond).Truncate(time.Second).Add(time.Second+late*time.Millisecond))
		}
		k.end(t)
	})
}

// victim is a probe that is killed again and again under steady traffic.
type victim struct {
	cable cable
	probe *probe
	limit time.Duration // what may be missing
	found uint64        // packets in the store so far
}

func newVictim(t *testing.T, meter string, checkpoint time.Duration) *victim {
	c := newCable(t)
	c.plug(t)
	v := &victim{cable: c, probe: newProbe(t, c.near.Command, settings{iface: cableEnd, meter: meter}), limit: checkpoint + moment}
	v.probe.run(t)
	return v
}

// round sends until the probe is killed, starts it again, and looks for what was sent.
func (v *victim) round(t *testing.T, death time.Time) {
	t.Helper()
	s := startSender(t, v.cable)
	<-time.After(time.Until(death))
	killed := time.Now()
	v.probe.kill(t)
	sent := s.stop(t)
	if before := v.count(t); before < v.found {
		t.Errorf("%d packets in the store after the kill, %d before", before, v.found)
	}
	v.probe.run(t)
	total := v.count(t)
	found := total - v.found
	v.found = total
	switch {
	case total < found || found > uint64(len(sent)):
		t.Fatalf("%d packets found, %d sent", found, len(sent))
	case found == uint64(len(sent)):
		return
	}
	lost, stood := killed.Sub(sent[found]), stoodStill(sent[found:], killed)
	t.Logf("%d of %d packets found; the last %v are missing, of which the machine stood still for %v", found, len(sent), lost.Round(time.Millisecond), stood.Round(time.Millisecond))
	if lost-stood > v.limit {
		t.Errorf("the last %v are missing, want at most %v\n%s", lost-stood, v.limit, v.probe.process.output)
	}
}

// stoodStill is for how long, until then, the sender could not send: nor could the probe do anything.
func stoodStill(sent []time.Time, until time.Time) (total time.Duration) {
	for i, at := range sent {
		next := until
		if i+1 < len(sent) && sent[i+1].Before(until) {
			next = sent[i+1]
		}
		if gap := next.Sub(at); gap > 10*sendEvery {
			total += gap
		}
	}
	return total
}

// end stops the probe in an orderly way, which changes nothing of what was found.
func (v *victim) end(t *testing.T) {
	t.Helper()
	v.probe.terminate(t)
	if total := v.count(t); total != v.found {
		t.Errorf("%d packets in the store at the end, %d before", total, v.found)
	}
}

func (v *victim) count(t *testing.T) uint64 {
	t.Helper()
	return v.probe.stored(t, "-i", "any", "-c", "proto = udp", "proto").rowSum().PacketsSent
}

// The sender's packets come at a steady rate, to many ports, so that there is something to write.
const (
	sendEvery = 2 * time.Millisecond
	firstPort = 20000
	ports     = 600
)

// sender sends numbered packets and notes when.
type sender struct {
	socket net.PacketConn
	quit   chan struct{}
	end    sync.WaitGroup
	sent   []time.Time
	err    error
}

func startSender(t *testing.T, c cable) *sender {
	t.Helper()
	s := &sender{quit: make(chan struct{})}
	if err := c.near.Do(func() (err error) {
		s.socket, err = net.ListenPacket("udp4", "0.0.0.0:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.end.Go(func() { s.err = s.send() })
	return s
}

func (s *sender) send() error {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return s.socket.Close()
		case <-tick.C:
		}
		number := len(s.sent)
		to := &net.UDPAddr{IP: net.ParseIP(far4), Port: firstPort + number%ports}
		s.sent = append(s.sent, time.Now())
		if _, err := s.socket.WriteTo(fmt.Appendf(nil, "packet %d", number), to); err != nil {
			return err
		}
	}
}

// stop ends the sender and returns when each packet was sent.
func (s *sender) stop(t *testing.T) []time.Time {
	t.Helper()
	close(s.quit)
	s.end.Wait()
	if s.err != nil {
		t.Fatalf("send: %v", s.err)
	}
	return s.sent
}
