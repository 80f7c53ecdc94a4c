package segment

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

const testDay = 20_000

func testMeta() Meta {
	return Meta{Interface: "eth0", Day: testDay, First: testDay*secondsPerDay + 1, Last: (testDay + 1) * secondsPerDay}
}

// generator makes rows that look like those of a network: hosts that talk to few and to many, both families, popular
// and rare services, flows that come back.
type generator struct {
	r         *rand.Rand
	hosts     int
	outside   int
	stamps    int64
	extra     bool // attempts and round trips as well
	overflow  bool // counters up to the largest
	foldEvery int
}

func (g *generator) address(n int, inside bool) (a flow.Address, f flow.Family) {
	if n%5 == 0 {
		binary.BigEndian.PutUint64(a[:], 0x20010db8_00000000|uint64(n%37)<<16)
		binary.BigEndian.PutUint64(a[8:], uint64(n)*0x9e3779b97f4a7c15)
		return a, flow.IPv6
	}
	v := uint32(n) * 2654435761
	if inside {
		v = 10<<24 | uint32(n)
	}
	binary.BigEndian.PutUint32(a[:], v)
	return a, flow.IPv4
}

func (g *generator) key() flow.Key {
	host, peer := g.r.IntN(g.hosts), int(math.Exp(g.r.Float64()*math.Log(float64(g.outside))))
	source, f := g.address(host, true)
	for {
		destination, other := g.address(peer, false)
		if other == f {
			ports := []uint16{443, 443, 443, 53, 80, 22, uint16(g.r.Uint32())}
			k := flow.Key{Source: source, Destination: destination, DestinationPort: ports[g.r.IntN(len(ports))], Protocol: flow.TCP, Family: f}
			if k.DestinationPort == 53 {
				k.Protocol = flow.UDP
			}
			if g.foldEvery > 0 && g.r.IntN(g.foldEvery) == 0 {
				k.Source, k.Destination, k.DestinationPort = flow.Address{}, flow.Address{}, 0
			}
			return k
		}
		peer++
	}
}

func (g *generator) counters() (c flow.Counters) {
	c.PacketsReceived = uint64(math.Exp(g.r.ExpFloat64() * 2))
	c.BytesReceived = c.PacketsReceived * (60 + g.r.Uint64N(1400))
	if g.r.IntN(8) > 0 {
		c.PacketsSent = c.PacketsReceived*3/4 + g.r.Uint64N(3)
		c.BytesSent = c.PacketsSent * (60 + g.r.Uint64N(300))
	}
	if g.extra && g.r.IntN(3) == 0 {
		c.Attempts, c.Accepts = 1, uint64(g.r.IntN(2))
		c.RoundTrips = c.Accepts
		c.RoundTripNanoseconds = c.RoundTrips * g.r.Uint64N(1e8)
	}
	if g.overflow && g.r.IntN(20) == 0 {
		c.BytesSent = math.MaxUint64 - g.r.Uint64N(1000)
	}
	return c
}

// rows makes n rows or fewer, sorted; those of one key and stamp are not added up.
func (g *generator) rows(n int) []Row {
	rows := make([]Row, 0, n)
	step := max(1, secondsPerDay/g.stamps)
	for len(rows) < n {
		k := g.key()
		for times := 1 + int(g.r.ExpFloat64()); times > 0 && len(rows) < n; times-- {
			stamp := testDay*secondsPerDay + (1+g.r.Int64N(g.stamps))*step
			rows = append(rows, Row{Key: k, Stamp: min(stamp, (testDay+1)*secondsPerDay), Counters: g.counters()})
		}
	}
	sortRows(rows)
	return rows
}

func sortRows(rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int {
		if c := compareKeys(&a.Key, &b.Key); c != 0 {
			return c
		}
		return int(a.Stamp - b.Stamp)
	})
}

// summed adds up rows of one key and stamp.
func summed(rows []Row) []Row {
	var out []Row
	for _, row := range rows {
		if n := len(out) - 1; n >= 0 && out[n].Key == row.Key && out[n].Stamp == row.Stamp {
			out[n].Counters.Add(row.Counters)
			continue
		}
		out = append(out, row)
	}
	return out
}

// testBlocks makes a block for each of n intervals.
func testBlocks(r *rand.Rand, n int) []flow.Interval {
	blocks := make([]flow.Interval, n)
	for i := range blocks {
		b := &blocks[i]
		b.End = testDay*secondsPerDay + int64(i+1)*secondsPerDay/int64(n)
		b.Duration = time.Duration(secondsPerDay/n) * time.Second
		b.Boot[0], b.Sequence = byte(i*3/n), uint64(i)
		b.Accounting = flow.Accounting{Received: r.Uint64N(1e6), Metered: r.Uint64N(1e6)}
		b.Accounting.Issues[flow.IssueNotIP] = r.Uint64N(100)
	}
	return blocks
}

// newFile makes an empty file in memory.
func newFile(t testing.TB, files *vfs.Memory, name string) vfs.File {
	t.Helper()
	f, err := files.Create(name, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// written writes a segment and returns its bytes.
func written(t testing.TB, config Config, blocks []flow.Interval, rows []Row) []byte {
	t.Helper()
	files := vfs.NewMemory()
	if _, err := Write(newFile(t, files, "/s"), config, testMeta(), blocks, rows); err != nil {
		t.Fatal(err)
	}
	return files.Bytes("/s")
}

// opened opens bytes as a segment.
func opened(t testing.TB, b []byte) *Reader {
	t.Helper()
	r, err := openBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openBytes(b []byte) (*Reader, error) {
	files := vfs.NewMemory()
	files.SetBytes("/s", b)
	f, err := files.Open("/s")
	if err != nil {
		return nil, err
	}
	return Open(f, "s")
}

const allColumns = ofTuples | StampIndices | allCounters*Sum | allCounters*Value

// tuplePool keeps the scratch space of thousands of readers of damaged bytes.
var tuplePool = sync.Pool{New: func() any { return new(Tuples) }}

// readRows reads all rows, chunk by chunk; lost is called for chunks that are damaged.
func readRows(r *Reader, lost func(chunk int, err error)) (rows []Row, err error) {
	chunks, err := r.Chunks()
	if err != nil {
		return nil, err
	}
	services, err := r.Services()
	if err != nil {
		return nil, err
	}
	stamps, err := r.Stamps()
	if err != nil {
		return nil, err
	}
	addresses, err := r.Addresses(nil, 0, r.AddressCount())
	if err != nil {
		return nil, err
	}
	t := tuplePool.Get().(*Tuples)
	defer tuplePool.Put(t)
	for i := range chunks {
		if err := r.Load(i, allColumns, t); err != nil {
			lost(i, err)
			continue
		}
		rows = appendTuples(rows, t, addresses, r.IPv4Count(), services, stamps)
	}
	return rows, nil
}

func appendTuples(rows []Row, t *Tuples, addresses []flow.Address, n4 uint32, services []Service, stamps []int64) []Row {
	at := 0
	for i := range t.Count {
		s := services[t.Service[i]]
		k := flow.Key{Source: addresses[t.Source[i]], Destination: addresses[t.Destination[i]], DestinationPort: s.Port,
			Protocol: s.Protocol, Family: flow.IPv4}
		if t.Source[i] >= n4 {
			k.Family = flow.IPv6
		}
		for range t.RowCount[i] {
			row := Row{Key: k, Stamp: stamps[t.Stamp[at]]}
			for c, values := range t.Value {
				if values != nil {
					setCounter(&row.Counters, c, values[at])
				}
			}
			rows = append(rows, row)
			at++
		}
	}
	return rows
}

// mustRead reads all rows of a whole segment.
func mustRead(t testing.TB, r *Reader) []Row {
	t.Helper()
	rows, err := readRows(r, func(chunk int, err error) { t.Fatalf("chunk %d: %v", chunk, err) })
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// putChecksum puts the checksum of all before it into the last four bytes.
func putChecksum(b []byte) {
	binary.LittleEndian.PutUint32(b[len(b)-4:], checksum(b[:len(b)-4]))
}
