package wire

import "time"

// seen is from when to when a group was counted; zero where nobody said.
type seen struct{ first, last time.Time }

// add widens the span by that of a row.
func (s *seen) add(row *Row) {
	if !row.FirstSeen.IsZero() && (s.first.IsZero() || row.FirstSeen.Before(s.first)) {
		s.first = row.FirstSeen.UTC()
	}
	if row.LastSeen.After(s.last) {
		s.last = row.LastSeen.UTC()
	}
}
