package godb

import (
	"fmt"
	"time"
)

// Damage is a part of the database that could not be read, or not in whole.
type Damage struct {
	Interface string
	File      string // path from the database's root
	Day       int64  // UTC midnight, Unix seconds; 0: a directory above the days
	Block     int    // index within the day; -1: the day as a whole
	End       int64  // time stamp of the block; 0 if that is not known
	Offset    int64  // of the block in the file
	Bytes     int64  // its length there
	RowsLost  uint64 // as far as that is known
	RowsKept  uint64 // rows of the same block that were salvaged
	Cause     string
}

// String says in one line where the damage is and what is lost.
func (d Damage) String() string {
	what := "day " + time.Unix(d.Day, 0).UTC().Format(time.DateOnly)
	switch {
	case d.Day == 0:
		what = "all days in it"
	case d.Block >= 0:
		what = fmt.Sprintf("block %d of %s", d.Block, what)
	}
	if d.End > 0 {
		what += " (" + time.Unix(d.End, 0).UTC().Format(time.TimeOnly) + ")"
	}
	rows := fmt.Sprintf("%d rows lost", d.RowsLost)
	switch {
	case d.RowsLost == 0 && d.RowsKept > 0:
		rows = fmt.Sprintf("all %d rows salvaged", d.RowsKept)
	case d.RowsKept > 0:
		rows += fmt.Sprintf(", %d salvaged", d.RowsKept)
	case d.RowsLost == 0:
		rows = "unknown loss"
	}
	return fmt.Sprintf("%s: %s: %s: %s", d.File, what, d.Cause, rows)
}

// maxDamage bounds the list of damages that a scan keeps; all are counted.
const maxDamage = 16

// ScanStats is the cost of a scan and what it could not read.
type ScanStats struct {
	Days         uint64 // directories opened
	Blocks       uint64 // blocks visited
	Rows         uint64 // rows visited
	BytesRead    uint64 // bytes of the visited blocks as stored
	BytesDecoded uint64 // the same, decoded
	Replays      uint64 // blocks left out because another directory of the same day has them too

	Salvaged  uint64   // blocks damaged by goProbe's writer that were put together again, in whole or in part
	Corrupted uint64   // damaged places: blocks not visited or not in whole, and days
	RowsLost  uint64   // rows in them, as far as that is known
	BytesLost uint64   // bytes in them
	Damage    []Damage // the first of them
}

// Add adds o to s.
func (s *ScanStats) Add(o ScanStats) {
	s.Days += o.Days
	s.Blocks += o.Blocks
	s.Rows += o.Rows
	s.BytesRead += o.BytesRead
	s.BytesDecoded += o.BytesDecoded
	s.Replays += o.Replays
	s.Salvaged += o.Salvaged
	s.Corrupted += o.Corrupted
	s.RowsLost += o.RowsLost
	s.BytesLost += o.BytesLost
	for _, d := range o.Damage {
		s.name(d)
	}
}

func (s *ScanStats) lose(d Damage) {
	s.Corrupted++
	s.RowsLost += d.RowsLost
	s.BytesLost += uint64(d.Bytes)
	s.name(d)
}

func (s *ScanStats) name(d Damage) {
	if len(s.Damage) < maxDamage {
		s.Damage = append(s.Damage, d)
	}
}
