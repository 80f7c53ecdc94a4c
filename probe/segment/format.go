package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/weirflow/weir/pkg/flow"
)

// FormatVersion is the version of segments that this build writes, and the only one it reads.
const FormatVersion = 3

// Bounds of the format; docs/FORMAT.md has the byte tables.
const (
	// MaxStamps is the greatest number of interval ends in a segment: more than a day has seconds.
	MaxStamps = 1 << 17
	// MaxBlocks is the greatest number of log blocks in a segment.
	MaxBlocks = 1 << 20
	// MaxServices is the number of services there can be.
	MaxServices = 1 << 24
	// MaxInterfaceName is the longest name of an interface in bytes.
	MaxInterfaceName = 64

	secondsPerDay = 86400
	maxDay        = 253402300800/secondsPerDay - 1 // the last of the year 9999
	headerFixed   = 16                             // before the interface's name
	maxHeader     = headerFixed + MaxInterfaceName + 4
	trailerSize   = 24
	maxFooter     = 1 << 16
	sectionSize   = 24
	// tailSize is what Open reads at the end of the file: trailer and footer and, in all but huge segments, the
	// indices of the dictionaries.
	tailSize = 4096
)

var (
	headMagic = [8]byte{'W', 'E', 'I', 'R', 'S', 'E', 'G', 'M'}
	tailMagic = [8]byte{'W', 'E', 'I', 'R', 'S', 'E', 'N', 'D'}
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

// ErrDamaged is wrapped by every error about bytes that are not what the writer wrote.
var ErrDamaged = errors.New("damaged segment")

// ErrVersion is wrapped by the error of a segment that another version wrote.
var ErrVersion = errors.New("written by another version")

// Meta says which rows a segment may hold.
type Meta struct {
	Interface string
	Day       int64 // UTC days since 1970 of the second before the ends of all intervals
	First     int64 // least and greatest stamp it may hold, both included
	Last      int64
}

// Validate checks the bounds.
func (m Meta) Validate() error {
	switch {
	case len(m.Interface) == 0 || len(m.Interface) > MaxInterfaceName:
		return fmt.Errorf("interface name of %d bytes: not 1 to %d", len(m.Interface), MaxInterfaceName)
	case m.Day < 0 || m.Day > maxDay:
		return fmt.Errorf("day %d: not between 1970 and 9999", m.Day)
	case m.First > m.Last || m.First <= m.Day*secondsPerDay || m.Last > (m.Day+1)*secondsPerDay:
		return fmt.Errorf("stamps %d to %d: not ends of intervals of day %d", m.First, m.Last, m.Day)
	}
	return nil
}

// header is what the file begins with.
func (m Meta) header() []byte {
	b := append(make([]byte, 0, maxHeader), headMagic[:]...)
	b = binary.LittleEndian.AppendUint16(b, FormatVersion)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(m.Interface)))
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Day))
	b = append(b, m.Interface...)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// checkHeader says why b, the start of a file, is not the start of a segment of this version.
func checkHeader(b []byte) error {
	if len(b) < headerFixed+4 || !bytes.HasPrefix(b, headMagic[:]) {
		return fmt.Errorf("%w: no header of a segment", ErrDamaged)
	}
	n := headerFixed + int(binary.LittleEndian.Uint16(b[10:]))
	if n > maxHeader-4 || len(b) < n+4 || checksum(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return fmt.Errorf("%w: checksum mismatch in the header", ErrDamaged)
	}
	return checkVersion(binary.LittleEndian.Uint16(b[8:]))
}

func checkVersion(v uint16) error {
	if v < FormatVersion {
		return fmt.Errorf("%w: format %d, this build reads %d; take the rows over with weir db export of the build that "+
			"wrote it and weir db import of this one", ErrVersion, v, FormatVersion)
	}
	if v != FormatVersion {
		return fmt.Errorf("%w: format %d, this build reads %d", ErrVersion, v, FormatVersion)
	}
	return nil
}

// split and join are the two forms of counters.
func split(c *flow.Counters) [CounterCount]uint64 {
	return [CounterCount]uint64{c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent, c.Attempts, c.Accepts,
		c.Rejects, c.RoundTripNanoseconds, c.RoundTrips}
}

func join(v *[CounterCount]uint64) flow.Counters {
	return flow.Counters{BytesReceived: v[0], BytesSent: v[1], PacketsReceived: v[2], PacketsSent: v[3], Attempts: v[4],
		Accepts: v[5], Rejects: v[6], RoundTripNanoseconds: v[7], RoundTrips: v[8]}
}

// add sums, saturating as flow.Counters does. It reports whether all sums fit.
func add(sum, v *[CounterCount]uint64) bool {
	fits := true
	n := CounterCount
	if v[Attempts]|v[Accepts]|v[Rejects]|v[RoundTripNanoseconds]|v[RoundTrips] == 0 { // as in most rows
		n = Attempts
	}
	for i, x := range v[:n] {
		s := sum[i] + x
		if s < x {
			s, fits = math.MaxUint64, false
		}
		sum[i] = s
	}
	return fits
}
