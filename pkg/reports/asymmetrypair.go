package reports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// conversation is what views of a pair have in common that saw the same traffic.
type conversation struct {
	source, destination netip.Addr
	protocol            flow.Protocol
}

func conversationOf(row *wire.Row) conversation {
	return conversation{row.Attributes.Source, row.Attributes.Destination, row.Attributes.Protocol}
}

func (c conversation) reversed() conversation {
	return conversation{c.destination, c.source, c.protocol}
}

// judge says what is asymmetric about a pair; false for nothing that is known to be.
func (p *pairRows) judge() (AsymmetryPair, bool) {
	j := judge{pair: p.pair, attempts: map[conversation]uint64{}, single: map[conversation]bool{}}
	j.orient(p.rows)
	for _, row := range p.rows {
		j.add(row)
	}
	return j.finish()
}

// judge sorts the views of a pair into halves.
type judge struct {
	pair
	AsymmetryPair
	attempts map[conversation]uint64
	single   map[conversation]bool // some one-sided view has it in this orientation
	unknown  []*wire.Row           // one-sided, and nothing tells which half it is
	both     map[Point]bool
	forward  halfSum
	backward halfSum
	answered bool // there must have been an answer to what is one-sided
}

// halfSum is a half in the making: at each point its amount.
type halfSum map[Point]Amount

func (h *halfSum) add(row *wire.Row) {
	if *h == nil {
		*h = halfSum{}
	}
	c := row.Counters.Flow()
	at := pointOf(row)
	(*h)[at] = (*h)[at].plus(Amount{c.Bytes(), c.Packets()})
}

// half is the amount where most of it was seen, and all points.
func (h halfSum) half() Half {
	half := Half{Points: []Point{}}
	for at, amount := range h {
		half.Amount = greater(half.Amount, amount)
		half.Points = append(half.Points, at)
	}
	slices.SortFunc(half.Points, Point.compare)
	return half
}

// orient chooses the source: who made most attempts, else who is the source of most bytes.
func (j *judge) orient(rows []*wire.Row) {
	var attempts, bytes [2]uint64
	for _, row := range rows {
		side := 0
		if row.Attributes.Source == j.high {
			side = 1
		}
		c := row.Counters.Flow()
		attempts[side] = max(attempts[side], c.Attempts)
		bytes[side] = max(bytes[side], c.Bytes())
		j.attempts[conversationOf(row)] += c.Attempts
		if oneSided(&row.Counters) {
			j.single[conversationOf(row)] = true
		}
	}
	j.Source, j.Destination = j.low, j.high
	if cmp.Or(cmp.Compare(attempts[1], attempts[0]), cmp.Compare(bytes[1], bytes[0])) > 0 {
		j.Source, j.Destination = j.high, j.low
	}
	j.HalvesKnown = true
}

// add books a view. A one-sided view with attempts is of the initiator's packets; one without, of a conversation whose
// attempts others saw, is of the responder's; where nobody saw one and the two ends each stand as source somewhere, a
// view is of its source's.
func (j *judge) add(row *wire.Row) {
	j.FirstSeen, j.LastSeen = earlier(j.FirstSeen, row.FirstSeen), later(j.LastSeen, row.LastSeen)
	if !oneSided(&row.Counters) {
		if j.both == nil {
			j.both = map[Point]bool{}
		}
		j.both[pointOf(row)] = true
		return
	}
	c := conversationOf(row)
	fromSource := row.Attributes.Source == j.Source
	j.answered = j.answered || mustHaveAnswer(row)
	switch {
	case row.Counters.Attempts > 0:
	case j.attempts[c] > 0:
		fromSource = !fromSource
	case j.single[c.reversed()]:
	default:
		j.unknown = append(j.unknown, row)
		return
	}
	if fromSource {
		j.forward.add(row)
	} else {
		j.backward.add(row)
	}
}

// place puts the views of which nothing tells the half where they fit: with those that saw as much, else opposite of
// them.
func (j *judge) place() {
	slices.SortFunc(j.unknown, func(a, b *wire.Row) int { return pointOf(a).compare(pointOf(b)) })
	for _, row := range j.unknown {
		j.HalvesKnown = false
		c := row.Counters.Flow()
		amount := Amount{c.Bytes(), c.Packets()}
		switch {
		case len(j.forward) == 0 || alike(j.forward.half().Amount, amount):
			j.forward.add(row)
		default:
			j.backward.add(row)
		}
	}
}

// alike says that two amounts are of the same packets, but for some at the ends of the span.
func alike(a, b Amount) bool {
	near := func(x, y uint64) bool { return max(x, y)-min(x, y) <= max(x, y)/100 }
	return near(a.Bytes, b.Bytes) && near(a.Packets, b.Packets)
}

func (j *judge) finish() (AsymmetryPair, bool) {
	j.place()
	j.Forward, j.Backward = j.forward.half(), j.backward.half()
	for at := range j.both {
		j.Both = append(j.Both, at)
	}
	slices.SortFunc(j.Both, Point.compare)
	forth, back := len(j.forward) > 0, len(j.backward) > 0
	switch {
	case forth && back && slices.Equal(j.Forward.Points, j.Backward.Points):
		return AsymmetryPair{}, false // each of the points saw both, by the same way
	case forth && back:
		j.Kind = PairSplit
	case forth != back && len(j.both) > 0:
		j.Kind = PairPartial
	case forth != back && j.answered:
		j.Kind = PairReverseUnseen
	default:
		return AsymmetryPair{}, false
	}
	j.Text = j.text()
	return j.AsymmetryPair, true
}

// text says which points carried which half.
func (p *AsymmetryPair) text() string {
	half := func(h *Half, from, to netip.Addr) string {
		if len(h.Points) == 0 {
			return fmt.Sprintf("%s to %s by itself nowhere", from, to)
		}
		return fmt.Sprintf("%s to %s only at %s", from, to, pointsText(h.Points))
	}
	text := half(&p.Forward, p.Source, p.Destination) + "; " + half(&p.Backward, p.Destination, p.Source)
	if !p.HalvesKnown {
		text = fmt.Sprintf("one half of %s and %s only at %s", p.Source, p.Destination, pointsText(p.Forward.Points))
		if len(p.Backward.Points) > 0 {
			text += "; the other only at " + pointsText(p.Backward.Points)
		}
	}
	if len(p.Both) > 0 {
		text += "; both at " + pointsText(p.Both)
	}
	return text
}
