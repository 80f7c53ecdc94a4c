package query

import (
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// emit adds selected tuples, or their rows, to the table.
func (w *worker) emit(b *buffer, selected []uint32) error {
	if b.part.byRow {
		return w.emitRows(b, selected)
	}
	for len(selected) > 0 {
		n := min(len(selected), batchSize)
		w.tupleKeys(b, selected[:n], w.keys)
		if w.plan.sparse {
			if err := w.sparseAddresses(b, selected[:n], w.keys); err != nil {
				w.plan.run.lose(b.part.Reader, -1, err)
				return nil
			}
		}
		if err := w.addBatch(w.keys[:n], selected[:n], &b.loaded.Sum); err != nil {
			return err
		}
		selected = selected[n:]
	}
	return nil
}

// addBatch adds the values at rows of columns to the groups of keys, making room where there is none.
func (w *worker) addBatch(keys []packed, rows []uint32, columns *[segment.CounterCount][]uint64) error {
	for len(keys) > 0 {
		done := w.table.locate(keys, w.entries)
		w.table.add(w.entries[:done], rows[:done], columns)
		if keys, rows = keys[done:], rows[done:]; len(keys) > 0 {
			if err := w.table.halve(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tupleKeys writes the keys of tuples, without what differs from row to row.
func (w *worker) tupleKeys(b *buffer, tuples []uint32, keys []packed) {
	p, s := b.part, &w.plan.shape
	keys = keys[:len(tuples)]
	if s.port || s.protocol {
		services, byRank, mask := b.services(), b.byRank, s.serviceMask()
		for i, t := range tuples {
			keys[i].rest = p.base | packedService(byRank[services[t]])&mask
		}
	} else {
		for i := range keys {
			keys[i].rest = p.base
		}
	}
	switch sources, targets := b.sources(), b.targets(); {
	case w.plan.sparse: // sparseAddresses adds them
		for i := range keys {
			keys[i].addresses = 0
		}
	case s.source && s.destination:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.sources[sources[t]])<<32 | uint64(p.targets[targets[t]])
		}
	case s.source:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.sources[sources[t]]) << 32
		}
	case s.destination:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.targets[targets[t]])
		}
	default:
		for i := range keys {
			keys[i].addresses = 0
		}
	}
	if !s.source && !s.destination {
		return
	}
	w.markSix(b, tuples, keys)
}

// markSix marks the keys of IPv6 tuples, which stand behind those of IPv4.
func (w *worker) markSix(b *buffer, tuples []uint32, keys []packed) {
	p, c := b.part, &b.part.chunks[b.chunk]
	if c.LastSource < p.ipv4 {
		return
	}
	sources := b.sources()
	for i := len(tuples) - 1; i >= 0 && sources[tuples[i]] >= p.ipv4; i-- {
		keys[i].rest |= 1 << packedSix
	}
}

// emitRows adds the rows of tuples that are within the plan.
func (w *worker) emitRows(b *buffer, selected []uint32) error {
	p, s := b.part, &w.plan.shape
	columns := &b.loaded.Value
	stamps, bins := b.loaded.Stamp, p.bins
	byVerdict := s.verdict || b.verdicts > 1
	var tupleKeys [64]packed
	n := 0
	for len(selected) > 0 {
		tuples := selected[:min(len(selected), len(tupleKeys))]
		selected = selected[len(tuples):]
		w.tupleKeys(b, tuples, tupleKeys[:])
		if w.plan.sparse {
			if err := w.sparseAddresses(b, tuples, tupleKeys[:]); err != nil {
				w.plan.run.lose(p.Reader, -1, err)
				break
			}
		}
		for i, t := range tuples {
			first := b.loaded.FirstRow[t]
			for row := first; row < first+b.loaded.RowCount[t]; row++ {
				bin := bins[stamps[row]]
				if bin == outside {
					continue
				}
				k := tupleKeys[i]
				k.rest |= bin
				if byVerdict {
					v := verdictOf(columns, row)
					if b.verdicts > 1 && b.holds[v][t] == 0 {
						continue
					}
					if s.verdict {
						k.rest |= uint64(v) << packedVerdict
					}
				}
				w.keys[n], w.rows[n] = k, row
				if n++; n == batchSize {
					if err := w.addBatch(w.keys, w.rows, columns); err != nil {
						return err
					}
					n = 0
				}
			}
		}
	}
	return w.addBatch(w.keys[:n], w.rows[:n], columns)
}

// verdictOf is flow.Counters.Verdict of a row.
func verdictOf(columns *[segment.CounterCount][]uint64, row uint32) flow.Verdict {
	above := func(counter int) bool { return columns[counter] != nil && columns[counter][row] > 0 }
	switch {
	case above(segment.Accepts):
		return flow.VerdictAccepted
	case above(segment.Rejects):
		return flow.VerdictRejected
	case above(segment.Attempts):
		return flow.VerdictUnanswered
	}
	return flow.VerdictNone
}
