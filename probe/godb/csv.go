package godb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

const (
	maxLine    = 64 << 10 // bytes of a line of CSV
	maxBadKept = 16       // faulty lines that are named; all are counted
	maxName    = 64       // bytes of an interface's name, as in the store
	// bufferRows is how many rows are held at most (about 60 MB) to collect those of one interval, in files that are
	// not in the order of time. Rows that come later make another part of their interval.
	bufferRows = 1 << 19
	// settledRows is after how many more rows the intervals that are complete are handed over, of an interface whose rows
	// came in the order of time so far: an import that is interrupted keeps them.
	settledRows = 1 << 16
	checkLines  = 1 << 12 // lines after which the context is looked at
	maxSpare    = 1 << 8  // groups whose memory is used again
)

// CSVConfig says what to read.
type CSVConfig struct {
	// Interface is that of all rows, where the file has no column iface.
	Interface string
	// Only are the interfaces that are read, where the file has the column; empty: all.
	Only []string
}

// CSVStats says what was in a file.
type CSVStats struct {
	Lines    uint64 // with heading and trailer
	Rows     uint64 // delivered
	Passed   uint64 // rows of interfaces that were not asked for
	Trailer  uint64 // lines with totals, as goQuery adds them
	Bad      uint64 // lines that cannot be read
	BadLines []BadLine
	Ignored  []string // columns that were not read
}

// BadLine is a line that cannot be read.
type BadLine struct {
	Line  uint64 // from 1
	Cause string
}

func (b BadLine) String() string { return fmt.Sprintf("line %d: %s", b.Line, b.Cause) }

// ReadCSV reads flows as goQuery prints them (with -e csv and at least time,sip,dip,dport,proto), in any order of
// columns and of lines. Each interval is handed to emit once; records are valid during the call. A file that is not
// in the order of time and larger than memory, or in this order for long and then not, makes several parts of an interval,
// always the same ones wherever reading ends and whatever is read beside them; Boot is made of the part's content, Sequence numbers the parts. The first
// part has the length that goProbe's intervals always have, the others none.
//
// Lines that cannot be read are counted and the first ones named; an error is that of the heading, of reading, of
// emit, or of the context.
func ReadCSV(ctx context.Context, r io.Reader, cfg CSVConfig, emit func(iface string, interval flow.Interval, records []flow.Record) error) (CSVStats, error) {
	c := &csvReader{cfg: cfg, lines: bufio.NewReaderSize(r, maxLine), emit: emit, groups: map[csvGroup]*csvRows{},
		settle: settledRows, latest: map[string]csvLatest{}, parts: map[csvGroup]uint64{}, addresses: map[string]csvAddress{}, names: map[string]string{}}
	err := c.heading()
	if err == nil {
		err = c.body(ctx)
	}
	if err != nil {
		return c.stats, fmt.Errorf("read CSV: %w", err)
	}
	return c.stats, nil
}

// Names of the columns that are read, and their numbers. goProbe does not have those from csvExtensions on; a file
// without them counts none.
var csvNames = [...]string{"time", "iface", "sip", "dip", "dport", "proto",
	"data vol. received", "data vol. sent", "packets received", "packets sent",
	"attempts", "accepts", "rejects", "rtt sum", "rtt n"}

// ErrNoColumn says that the heading of a file lacks columns that are needed.
var ErrNoColumn = errors.New("no column")

// CSVColumns are the names of the columns that a file has to have, in any order; CSVConfig.Interface stands for iface.
func CSVColumns() []string { return slices.Clone(csvNames[:csvExtensions]) }

const (
	csvTime = iota
	csvInterface
	csvSource
	csvDestination
	csvPort
	csvProtocol
	csvCounters
	csvExtensions = csvCounters + 4
	csvColumns    = len(csvNames)
)

type csvGroup struct {
	end   int64
	iface string
}

// csvRows are the rows of an interval.
type csvRows struct {
	records []flow.Record
	passed  int // rows of an interface that was not asked for; there are no records then
}

// count is how many rows there are.
func (r *csvRows) count() int { return len(r.records) + r.passed }

// csvLatest is how far the rows of an interface have come.
type csvLatest struct {
	end       int64
	unordered bool // a row of an earlier interval came later
}

type csvAddress struct {
	address flow.Address
	family  flow.Family
}

type csvReader struct {
	cfg   CSVConfig
	lines *bufio.Reader
	emit  func(string, flow.Interval, []flow.Record) error
	stats CSVStats

	columns []int // of a line's fields: number in csvNames, or -1
	named   bool  // there is a column iface
	present [csvColumns]bool
	fields  [][]byte
	values  [csvColumns][]byte

	groups    map[csvGroup]*csvRows
	spare     []*csvRows
	sorter    flow.Sorter
	held      int                  // rows in groups, passed ones included
	settle    int                  // rows in groups from which on those that are complete are handed over
	latest    map[string]csvLatest // by interface
	previous  csvGroup             // that of the last row
	parts     map[csvGroup]uint64
	addresses map[string]csvAddress // those seen last
	names     map[string]string     // of interfaces
}

var errLongLine = fmt.Errorf("longer than %d bytes", maxLine)

// line returns the next line without its end, valid until the next call. A line that is too long is skipped.
func (c *csvReader) line() ([]byte, error) {
	line, err := c.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = c.lines.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errLongLine
		}
		c.stats.Lines++
		return nil, err
	}
	if err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	c.stats.Lines++
	return bytes.TrimRight(line, "\r\n"), nil
}

// split cuts a line into its fields.
func (c *csvReader) split(line []byte) error {
	c.fields = c.fields[:0]
	if bytes.IndexByte(line, '"') >= 0 {
		fields, err := csv.NewReader(bytes.NewReader(line)).Read()
		for _, f := range fields {
			c.fields = append(c.fields, []byte(f))
		}
		return err
	}
	for field := range bytes.SplitSeq(line, []byte{','}) {
		c.fields = append(c.fields, field)
	}
	return nil
}

// heading reads the names of the columns.
func (c *csvReader) heading() error {
	line, err := c.line()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if err == nil {
		err = c.split(bytes.TrimPrefix(line, []byte("\ufeff")))
	}
	if err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	for _, field := range c.fields {
		name := strings.ToLower(strings.TrimSpace(string(field)))
		i := slices.Index(csvNames[:], name)
		if i >= 0 && c.present[i] {
			return fmt.Errorf("line 1: column %q stands there twice", name)
		}
		if i >= 0 {
			c.present[i] = true
		}
		c.columns = append(c.columns, i)
		if i < 0 && name != "%" {
			c.stats.Ignored = append(c.stats.Ignored, name)
		}
	}
	c.named = c.present[csvInterface]
	var missing []string
	for i, name := range csvNames {
		if !c.present[i] && i < csvExtensions && (i != csvInterface || c.cfg.Interface == "") {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("line 1: %w %s", ErrNoColumn, strings.Join(missing, ", "))
	}
	return nil
}

func (c *csvReader) body(ctx context.Context) error {
	for n := 0; ; n++ {
		if n%checkLines == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := c.line()
		if errors.Is(err, io.EOF) {
			return c.flush(0, false)
		}
		if err == nil {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			err = c.row(line)
		} else if !errors.Is(err, errLongLine) {
			return err
		}
		if err != nil {
			c.bad(err)
		}
		if c.held >= c.settle {
			if err := c.flush(0, true); err != nil {
				return err
			}
			c.settle = c.held + settledRows
		}
		if c.held >= bufferRows {
			if err := c.flush(bufferRows/2, false); err != nil {
				return err
			}
			c.settle = c.held + settledRows
		}
	}
}

func (c *csvReader) bad(err error) {
	c.stats.Bad++
	if len(c.stats.BadLines) < maxBadKept {
		c.stats.BadLines = append(c.stats.BadLines, BadLine{Line: c.stats.Lines, Cause: err.Error()})
	}
}

// row reads a line into its group.
func (c *csvReader) row(line []byte) error {
	if err := c.split(line); err != nil {
		return err
	}
	if len(c.fields) != len(c.columns) {
		if isTrailer(c.fields[0]) {
			c.stats.Trailer++
			return nil
		}
		return fmt.Errorf("%d fields, but %d columns", len(c.fields), len(c.columns))
	}
	for i, column := range c.columns {
		if column >= 0 {
			c.values[column] = bytes.TrimSpace(c.fields[i])
		}
	}
	group, err := c.group()
	if err != nil {
		return err
	}
	record, err := c.record()
	if err != nil {
		return err
	}
	rows := c.groups[group]
	if rows == nil {
		rows = &csvRows{}
		if n := len(c.spare); n > 0 {
			rows, c.spare = c.spare[n-1], c.spare[:n-1]
		}
		c.groups[group] = rows
	}
	if len(c.cfg.Only) > 0 && !slices.Contains(c.cfg.Only, group.iface) {
		rows.passed++
		c.stats.Passed++
	} else {
		rows.records = append(rows.records, record)
		c.stats.Rows++
	}
	if group != c.previous {
		latest := c.latest[group.iface]
		c.latest[group.iface] = csvLatest{max(latest.end, group.end), latest.unordered || group.end < latest.end}
		c.previous = group
	}
	c.held++
	return nil
}

// trailers are the beginnings of the lines that goQuery adds behind the rows.
var trailers = [...]string{"received packets", "sent packets", "received data volume", "sent data volume", "packets",
	"data volume", "overall ", "sorting and flow direction", "interface"}

func isTrailer(first []byte) bool {
	if len(first) == 0 || first[0] >= '0' && first[0] <= '9' {
		return false
	}
	name := strings.ToLower(string(first))
	return slices.ContainsFunc(trailers[:], func(t string) bool { return strings.HasPrefix(name, t) })
}
