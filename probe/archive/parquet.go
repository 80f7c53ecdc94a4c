package archive

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/version"
)

// GroupRows is the number of rows of a row group, which is sorted by interface, source, destination, port, protocol
// and time. They are held in memory: about 100 MB.
const GroupRows = 1 << 19

// parquetRow is a row as it stands in a file. Counters stay unsigned; times are milliseconds, UTC.
type parquetRow struct {
	Time            int64  `parquet:"time,timestamp(millisecond),delta"`
	Host            string `parquet:"host,dict"`
	HostID          string `parquet:"host_id,dict"`
	Interface       string `parquet:"iface,dict"`
	Source          string `parquet:"sip,optional,dict"`
	Destination     string `parquet:"dip,optional,dict"`
	Port            uint32 `parquet:"dport,dict"`
	Protocol        uint32 `parquet:"proto,dict"`
	BytesReceived   uint64 `parquet:"bytes_received"`
	BytesSent       uint64 `parquet:"bytes_sent"`
	PacketsReceived uint64 `parquet:"packets_received"`
	PacketsSent     uint64 `parquet:"packets_sent"`
	Attempts        uint64 `parquet:"attempts,dict"`
	Accepts         uint64 `parquet:"accepts,dict"`
	Rejects         uint64 `parquet:"rejects,dict"`
	RoundTripSum    uint64 `parquet:"rtt_sum_ns,dict"`
	RoundTrips      uint64 `parquet:"rtt_count,dict"`
}

// Parquet writes an Apache Parquet file, compressed with Zstandard.
type Parquet struct {
	origin Origin
	file   *parquet.GenericWriter[parquetRow]
	ifaces []string
	held   []heldRow
	rows   []parquetRow // scratch space
}

// heldRow is a row that waits for its row group to be full.
type heldRow struct {
	iface  int
	stamp  int64
	record flow.Record
}

// parquetBatch is how many rows are handed to the encoder at a time.
const parquetBatch = 1 << 10

// NewParquet begins a file. What is in metadata goes into its footer.
func NewParquet(w io.Writer, origin Origin, metadata map[string]string) *Parquet {
	options := []parquet.WriterOption{
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("weir", version.String(), ""),
		parquet.MaxRowsPerRowGroup(GroupRows),
	}
	for key, value := range metadata {
		options = append(options, parquet.KeyValueMetadata(key, value))
	}
	return &Parquet{origin: origin, file: parquet.NewGenericWriter[parquetRow](w, options...)}
}

// Write adds rows.
func (p *Parquet) Write(iface string, interval flow.Interval, records []flow.Record) error {
	index := slices.Index(p.ifaces, iface)
	if index < 0 {
		index = len(p.ifaces)
		p.ifaces = append(p.ifaces, iface)
	}
	for i := range records {
		p.held = append(p.held, heldRow{index, interval.End, records[i]})
		if len(p.held) == GroupRows {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush sorts what is held and makes a row group of it.
func (p *Parquet) flush() error {
	if len(p.held) == 0 {
		return nil
	}
	slices.SortFunc(p.held, func(a, b heldRow) int {
		return cmp.Or(cmp.Compare(p.ifaces[a.iface], p.ifaces[b.iface]), a.record.Key.Compare(b.record.Key), cmp.Compare(a.stamp, b.stamp))
	})
	for part := range slices.Chunk(p.held, parquetBatch) {
		p.rows = p.rows[:0]
		for i := range part {
			p.rows = append(p.rows, p.row(&part[i]))
		}
		if _, err := p.file.Write(p.rows); err != nil {
			return fmt.Errorf("write Parquet: %w", err)
		}
	}
	p.held = p.held[:0]
	if err := p.file.Flush(); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

func (p *Parquet) row(h *heldRow) parquetRow {
	source, destination := addresses(h.record.Key)
	c := &h.record.Counters
	return parquetRow{
		Time: h.stamp * 1000, Host: p.origin.Host, HostID: p.origin.HostID, Interface: p.ifaces[h.iface],
		Source: text(source), Destination: text(destination), Port: uint32(h.record.Key.DestinationPort), Protocol: uint32(h.record.Key.Protocol),
		BytesReceived: c.BytesReceived, BytesSent: c.BytesSent, PacketsReceived: c.PacketsReceived, PacketsSent: c.PacketsSent,
		Attempts: c.Attempts, Accepts: c.Accepts, Rejects: c.Rejects, RoundTripSum: c.RoundTripNanoseconds, RoundTrips: c.RoundTrips,
	}
}

// Close writes what is held and the footer.
func (p *Parquet) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		return fmt.Errorf("end Parquet: %w", err)
	}
	return nil
}

// ParquetMetadata returns a value of the footer of a file, "" where there is none or no whole file.
func ParquetMetadata(name, key string) (value string) {
	defer func() {
		if recover() != nil { // the library does, on some damaged files
			value = ""
		}
	}()
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return ""
	}
	value, _ = file.Lookup(key)
	return value
}
