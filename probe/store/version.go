package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/weirflow/weir/probe/segment"
)

// DataVersion identifies what the store has of an interface in a span: it is another one whenever an answer may be, and
// costs no more than a look at the directory. Compaction changes it, too. It is a hash of the files' names, lengths and
// times, and of the host's id.
func (s *Store) DataVersion(iface string, first, last int64) (string, error) {
	first, last = max(first, 1), min(last, maxEnd)
	h := fnv.New128a()
	h.Write([]byte(s.hostID + "\x00" + iface + "\x00"))
	if first <= last {
		files, err := s.listFiles(iface, dayOf(first), dayOf(last))
		if err != nil {
			return "", fmt.Errorf("data version of %s: %w", iface, err)
		}
		for _, f := range files {
			b := append([]byte(f.name), 0)
			b = binary.LittleEndian.AppendUint64(b, uint64(f.size))
			b = binary.LittleEndian.AppendUint64(b, uint64(f.changed))
			h.Write(b)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// Stat is what the store has of an interface, as its headers say.
type Stat struct {
	First, Last   int64 // start of the earliest interval and end of the latest one; 0, 0 without any
	Days          int
	Blocks        uint64
	Segments      int
	SegmentRows   uint64
	SegmentTuples uint64
	SegmentBytes  int64
	Shares        segment.Shares // of SegmentBytes
	Logs          int
	LogRows       uint64 // that are in no segment yet
	LogBytes      int64
	Unreadable    int // files
}

// Stat sums up what the headers of an interface's files say, without reading rows.
func (s *Store) Stat(iface string) (st Stat, err error) {
	files, err := s.listFiles(iface, 0, endOfTime)
	if err != nil {
		return st, fmt.Errorf("stat %s: %w", iface, err)
	}
	for i, f := range files {
		if i == 0 || files[i-1].day != f.day {
			if err := s.statDay(&st, iface, f.day); err != nil {
				return st, fmt.Errorf("stat %s: %w", iface, err)
			}
		}
	}
	st.First, st.Last, err = s.Coverage(iface)
	return st, err
}

func (s *Store) statDay(st *Stat, iface string, d day) error {
	v, err := s.View(context.Background(), iface, int64(d)*secondsPerDay+1, (int64(d)+1)*secondsPerDay)
	if err != nil {
		return err
	}
	defer v.Close()
	st.Days++
	st.Unreadable += len(v.unreadable)
	for _, p := range v.days {
		for _, o := range p.segments {
			st.Segments++
			st.Blocks += uint64(o.reader.BlockCount())
			st.SegmentRows += uint64(o.reader.Rows())
			st.SegmentTuples += uint64(o.reader.Tuples())
			st.SegmentBytes += o.reader.Size()
			shares, err := o.reader.Shares()
			if err != nil {
				st.Unreadable++
				continue
			}
			st.Shares.Add(shares)
		}
		if p.log != nil {
			st.Logs++
			st.LogBytes += p.log.index.size
			st.Blocks += uint64(len(p.log.blocks))
			for i := range p.log.blocks {
				st.LogRows += uint64(p.log.blocks[i].rows)
			}
		}
	}
	return nil
}
