package godb

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
)

const testDayStart = 1456358400 // 2016-02-25, that of the worked example

// randomRecords makes rows with distinct keys; hosts bounds how many addresses there are, 0: any.
func randomRecords(r *rand.Rand, n, hosts int) []flow.Record {
	records := make([]flow.Record, n)
	address := func(v6 bool) (a flow.Address) {
		v := r.Uint32()
		if hosts > 0 {
			v = uint32(r.IntN(hosts)) * 2654435761
		}
		if v6 {
			a = flow.Address{0x20, 0x01, 0x0d, 0xb8}
			if r.IntN(4) > 0 { // else x:x::, which stays IPv6
				binary.BigEndian.PutUint32(a[12:], v)
			}
			return a
		}
		binary.BigEndian.PutUint32(a[:], v)
		return a
	}
	for i := range records {
		k := &records[i].Key
		k.Family = flow.IPv4
		if v6 := r.IntN(3) == 0; v6 {
			k.Family = flow.IPv6
		}
		k.Source, k.Destination = address(k.Family == flow.IPv6), address(k.Family == flow.IPv6)
		k.DestinationPort, k.Protocol = uint16(r.Uint32()), []flow.Protocol{6, 17, 1, 58, 0, 255}[r.IntN(6)]
		bits := r.IntN(64)
		records[i].Counters = flow.Counters{BytesReceived: r.Uint64() >> bits, BytesSent: r.Uint64() >> (63 - bits),
			PacketsReceived: uint64(r.IntN(1 << 20)), PacketsSent: uint64(r.IntN(3))}
	}
	return slices.CompactFunc(sorted(records), func(a, b flow.Record) bool { return a.Key == b.Key })
}

// v4Records makes n IPv4 rows with random addresses and ports, the nightmare of a compressor.
func v4Records(r *rand.Rand, n int) []flow.Record {
	records := make([]flow.Record, n)
	for i := range records {
		k := &records[i].Key
		k.Family, k.Protocol, k.DestinationPort = flow.IPv4, flow.TCP, uint16(r.Uint32())
		binary.BigEndian.PutUint32(k.Source[:], r.Uint32())
		binary.BigEndian.PutUint32(k.Destination[:], r.Uint32())
		records[i].Counters = flow.Counters{BytesReceived: 60, PacketsReceived: 1}
	}
	return sorted(records)
}
