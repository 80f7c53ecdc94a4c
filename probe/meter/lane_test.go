package meter

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
)

// ethernet puts a link header with VLAN tags around the n-th frame of udp.
func ethernet(n int, vlans ...uint16) capture.Frame {
	b := make([]byte, 12, 64)
	for _, id := range vlans {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), id)
	}
	b = append(append(b, 8, 0), udp(n).Data...)
	return capture.Frame{Data: b, Length: uint32(len(b)), Link: packet.LinkEthernet}
}

// stripped is a frame whose tag the kernel took out.
func stripped(f capture.Frame, id uint16) capture.Frame {
	f.VLAN, f.VLANType = id, 0x8100
	return f
}

// vxlan carries a frame in a tunnel with the given number.
func vxlan(number uint32, inner capture.Frame) capture.Frame {
	b := udp(9000).Data[:20:20]
	b = binary.BigEndian.AppendUint16(b, 50000)
	b = binary.BigEndian.AppendUint16(b, 4789)
	b = binary.BigEndian.AppendUint16(b, uint16(16+len(inner.Data)))
	b = append(b, 0, 0, 8, 0, 0, 0)
	b = append(binary.BigEndian.AppendUint32(b, number<<8), inner.Data...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return capture.Frame{Data: b, Length: uint32(len(b)), Link: packet.LinkRawIP}
}

// perLane says "metered filtered" of each interface; the accounting of each block must hold, and its sequences count on.
func perLane(t *testing.T, blocks []Block) map[string]string {
	t.Helper()
	sums := map[string]flow.Accounting{}
	for _, b := range blocks {
		a, packets, issues := b.Interval.Accounting, uint64(0), uint64(0)
		for _, r := range b.Records {
			packets += r.Counters.Packets()
		}
		for _, n := range a.Issues {
			issues += n
		}
		if a.Received != a.Metered+issues || a.Metered != packets {
			t.Errorf("%s: %+v does not account for %d packets in rows", b.Interface, a, packets)
		}
		sum := sums[b.Interface]
		sum.Add(a)
		sums[b.Interface] = sum
	}
	lines := map[string]string{}
	for name, sum := range sums {
		lines[name] = fmt.Sprint(sum.Metered, " ", sum.Issues[flow.IssueFiltered])
	}
	return lines
}

// TestVLANs: packets count on one interface, be their tag in the frame or taken out by the kernel.
func TestVLANs(t *testing.T) {
	frames := []capture.Frame{udp(1), ethernet(2), ethernet(3, 100), stripped(ethernet(4), 100), ethernet(5, 200, 7),
		stripped(ethernet(6, 7), 200), ethernet(7, 0), ethernet(8, 300), ethernet(9, 400), ethernet(10, 300)}
	for name, test := range map[string]struct {
		vlan VLAN
		want map[string]string
	}{
		"ignore":  {VLAN{Mode: VLANIgnore}, map[string]string{"eth0": "10 0"}},
		"default": {VLAN{}, map[string]string{"eth0": "10 0"}},
		"split": {VLAN{Mode: VLANSplit}, map[string]string{"eth0": "3 0", "eth0.100": "2 0", "eth0.200": "2 0",
			"eth0.more": "3 0"}},
		"only": {VLAN{Mode: VLANOnly, IDs: []uint16{200, 400}}, map[string]string{"eth0": "0 7", "eth0.200": "2 0", "eth0.400": "1 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, 0, func(c *Config) { c.VLAN, c.Derived = test.vlan, 2 })
				r.source.push(frames...)
				time.Sleep(time.Second)
				blocks, err := r.Unstored(t.Context(), "eth0.200")
				if name == "split" && (err != nil || len(blocks) != 1 || len(blocks[0].Records) != 2) {
					t.Errorf("live: %v, %v", blocks, err)
				}
				if names := slices.Sorted(maps.Keys(test.want)); !slices.Equal(slices.Sorted(slices.Values(r.Interfaces())), names) {
					t.Errorf("interfaces are %v, want %v", r.Interfaces(), names)
				}
				time.Sleep(5 * time.Minute)
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, perLane(t, r.sink.stored())); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestTunnels: what is inside counts on interfaces of its own, and what is outside as if nothing were inside.
func TestTunnels(t *testing.T) {
	frames := []capture.Frame{udp(1), vxlan(42, ethernet(2)), vxlan(42, ethernet(3)), vxlan(43, ethernet(4)),
		vxlan(44, ethernet(5)), vxlan(45, vxlan44()), vxlan(42, arp())}
	for tunnels, want := range map[Tunnels]map[string]string{
		TunnelsOuter: {"eth0": "7 0"},
		TunnelsBoth:  {"eth0": "7 0", "eth0~vxlan.42": "2 0", "eth0~vxlan.43": "1 0", "eth0~more": "3 0"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, 0, func(c *Config) { c.Tunnels, c.Derived = tunnels, 2 })
			r.source.push(frames...)
			time.Sleep(time.Second)
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, perLane(t, r.sink.stored())); diff != "" {
				t.Errorf("%s: %s", tunnels, diff)
			}
		})
	}
}

// vxlan44 is a tunnel in an Ethernet frame, to be put into another.
func vxlan44() capture.Frame {
	inner := vxlan(44, ethernet(6))
	b := append(make([]byte, 12), 8, 0)
	b = append(b, inner.Data...)
	return capture.Frame{Data: b, Length: uint32(len(b)), Link: packet.LinkEthernet}
}

// TestDerivedIsForgotten: the place of a derived interface that has been at rest for an hour is free again.
func TestDerivedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, func(c *Config) { c.VLAN.Mode, c.Derived = VLANSplit, 1 })
		r.source.push(ethernet(1, 100))
		time.Sleep(70 * time.Minute)
		if got := r.Interfaces(); !slices.Equal(got, []string{"eth0"}) {
			t.Errorf("after an hour of rest: %v", got)
		}
		r.source.push(ethernet(1, 101))
		time.Sleep(time.Second)
		if got := r.Interfaces(); !slices.Equal(got, []string{"eth0", "eth0.101"}) {
			t.Errorf("its place is not free: %v", got)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFragmentsJoin: later fragments count for the flow of the first one; what comes without it has no port.
func TestFragmentsJoin(t *testing.T) {
	fragment := func(id, offset byte, more bool) capture.Frame {
		f := udp(1)
		f.Data[5], f.Data[7] = id, offset
		if more {
			f.Data[6] = 0x20
		}
		return f
	}
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.source.push(fragment(1, 0, true), fragment(1, 1, true), fragment(1, 2, false), fragment(2, 2, false), fragment(2, 0, true))
		time.Sleep(time.Second)
		blocks := r.check(5, 0)
		got := map[uint16]uint64{}
		for _, row := range blocks[0].Records {
			got[row.Key.DestinationPort] += row.Counters.Packets()
		}
		if diff := cmp.Diff(map[uint16]uint64{53: 4, 0: 1}, got); diff != "" {
			t.Error("packets by port:", diff)
		}
	})
}

// TestDerivedRestart: directions and open attempts of derived interfaces survive a restart like those of others.
func TestDerivedRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		split := func(c *Config) { c.VLAN.Mode = VLANSplit }
		first := start(t, time.Second, split)
		first.source.push(stripped(keyExchange(false), 100))
		synctest.Wait()
		if err := first.stop(); err != nil {
			t.Fatal(err)
		}
		files := first.files.Crash(nil)
		left := leftIn(t, files)
		second := startWith(t, 10*time.Minute, split, func(r *rig, d *Deps) { r.files, d.Files, d.Left = files, files, left })
		second.source.push(stripped(keyExchange(true), 100))
		synctest.Wait()
		if err := second.stop(); err != nil {
			t.Fatal(err)
		}
		var blocks []Block
		for _, b := range second.sink.stored() {
			if b.Interface == "eth0.100" {
				blocks = append(blocks, b)
			}
		}
		if got, want := lastSource(t, blocks), "10.0.0.1 attempts=1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

type backlog bool

func (b backlog) Behind() bool { return bool(b) }

// TestVisits: passes over the tables go on beside the frames, but hardly where frames wait that may soon be dropped, and
// that not for long.
func TestVisits(t *testing.T) {
	for _, c := range []struct {
		backlog   capture.Backlog
		age       time.Duration
		n, visits int
	}{
		{nil, 0, 0, idleStep}, {nil, 0, 100, 400}, {nil, 0, batch, idleStep},
		{backlog(false), 0, 100, 400}, {backlog(true), 0, 0, idleStep}, {backlog(true), 0, 1, 1},
		{backlog(true), maxSlow - 1, batch, batch/framesPerStep + 1}, {backlog(true), maxSlow, batch, idleStep},
	} {
		l := &loop{Meter: &Meter{cfg: Config{Interval: time.Minute}}, backlog: c.backlog}
		if visits := l.visits(c.n, c.age); visits != c.visits {
			t.Errorf("%v, %d frames, after %v: %d visits, want %d", c.backlog, c.n, c.age, visits, c.visits)
		}
	}
}
