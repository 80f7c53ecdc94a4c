package reports

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Bounds of asymmetry reports.
const (
	defaultPairs  = 25
	maxPairs      = 1000
	candidateOver = 4 // candidates looked at for each pair shown, since some turn out to be one-way
	minCandidates = 100
)

// Asymmetry asks for pairs of addresses of which some interface saw one direction only, and where the other one was.
func Asymmetry(ctx context.Context, q Querier, question AsymmetryQuestion) (*AsymmetryAnswer, error) {
	shown := question.Pairs
	if shown == 0 {
		shown = defaultPairs
	}
	if shown < 0 || shown > maxPairs {
		return nil, fault("pairs", question.Pairs, "the number of pairs must be between 1 and %d", maxPairs)
	}
	a, err := newAsker(ctx, q, question.Scope)
	if err != nil {
		return nil, err
	}
	uni, err := filter.Parse("dir = uni")
	if err != nil {
		return nil, err
	}
	const attributes = "host,iface,sip,dip,proto"
	result, err := a.ask(ctx, attributes, uni)
	if err != nil {
		return nil, err
	}
	answer := &AsymmetryAnswer{Pairs: []AsymmetryPair{}, Truncated: truncation(result, asymmetryCut)}
	pairs, all := candidates(result.Rows, max(candidateOver*shown, minCandidates))
	if len(pairs) > 0 {
		// All that was seen of them, in both directions too: what is one-sided here may be whole elsewhere.
		result, err = a.ask(ctx, attributes, ofPairs(pairs))
		if err != nil {
			return nil, err
		}
		answer.Truncated = joinTruncations(answer.Truncated, truncation(result, asymmetryCut), asymmetryCut)
		for i := range result.Rows {
			if p := pairs[pairOf(&result.Rows[i])]; p != nil {
				p.rows = append(p.rows, &result.Rows[i])
			}
		}
	}
	if left := all - len(pairs); left > 0 && answer.Truncated == nil {
		answer.Truncated = &Truncation{Shown: int64(len(pairs)), Total: int64(all), What: "pairs",
			Text: fmt.Sprintf("%d of %d pairs with a one-sided view were looked at, those with most bytes", len(pairs), all)}
	}
	answer.rank(pairs, shown)
	answer.Coverage, answer.Result = a.coverage(), a.result
	answer.Text = answer.text()
	return answer, nil
}

const asymmetryCut = "pairs with fewer bytes are not in this answer"

// pair is two addresses in their order, whoever initiated.
type pair struct{ low, high netip.Addr }

func pairOf(row *wire.Row) pair {
	a, b := row.Attributes.Source, row.Attributes.Destination
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return pair{a, b}
}

// pairRows is a pair that may be asymmetric, and all rows about it.
type pairRows struct {
	pair
	bytes uint64 // of its one-sided rows
	rows  []*wire.Row
}

// candidates are the pairs with most bytes in one-sided rows, and how many there are.
func candidates(rows []wire.Row, most int) (map[pair]*pairRows, int) {
	all := map[pair]*pairRows{}
	for i := range rows {
		key := pairOf(&rows[i])
		if !key.low.IsValid() || key.low == key.high {
			continue
		}
		p := all[key]
		if p == nil {
			p = &pairRows{pair: key}
			all[key] = p
		}
		p.bytes += rows[i].Counters.Flow().Bytes()
	}
	list := slices.SortedFunc(maps.Values(all), func(a, b *pairRows) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), a.low.Compare(b.low), a.high.Compare(b.high))
	})
	kept := make(map[pair]*pairRows, min(len(list), most))
	for _, p := range list[:min(len(list), most)] {
		kept[p.pair] = p
	}
	return kept, len(all)
}

// ofPairs is a condition that all flows of the pairs fulfil.
func ofPairs(pairs map[pair]*pairRows) *filter.Condition {
	set := map[netip.Addr]bool{}
	for p := range pairs {
		set[p.low], set[p.high] = true, true
	}
	var names []string
	for _, a := range slices.SortedFunc(maps.Keys(set), netip.Addr.Compare) {
		names = append(names, a.WithZone("").String())
	}
	list := strings.Join(names, ", ")
	c, err := filter.Parse("sip in (" + list + ") & dip in (" + list + ")")
	if err != nil {
		return nil // cannot be: addresses parse
	}
	return c
}

// rank judges the pairs and keeps the first of those that are asymmetric.
func (a *AsymmetryAnswer) rank(pairs map[pair]*pairRows, shown int) {
	for _, p := range pairs {
		judged, ok := p.judge()
		switch {
		case ok:
			a.Pairs = append(a.Pairs, judged)
		case len(p.rows) > 0:
			a.OneWay++
		}
	}
	slices.SortFunc(a.Pairs, func(x, y AsymmetryPair) int {
		return cmp.Or(cmp.Compare(y.bytes(), x.bytes()), x.Source.Compare(y.Source), x.Destination.Compare(y.Destination))
	})
	if all := len(a.Pairs); all > shown {
		a.Pairs = slices.Clip(a.Pairs[:shown])
		if a.Truncated == nil {
			a.Truncated = &Truncation{Shown: int64(shown), Total: int64(all), What: "pairs", Text: fmt.Sprintf("%d of %d asymmetric pairs are shown, those with most bytes", shown, all)}
		}
	}
}

func (p *AsymmetryPair) bytes() uint64 { return p.Forward.Bytes + p.Backward.Bytes }

func (a *AsymmetryAnswer) text() string {
	var parts []string
	unseen := 0
	for i := range a.Pairs {
		if a.Pairs[i].Kind == PairReverseUnseen {
			unseen++
		}
	}
	if len(a.Pairs) == 0 {
		parts = append(parts, "no asymmetric route was seen")
	} else {
		parts = append(parts, plural(len(a.Pairs), "pair")+" with asymmetric routes")
	}
	if unseen > 0 {
		parts = append(parts, fmt.Sprintf("of %d nobody saw the other half", unseen))
	}
	if a.OneWay > 0 {
		parts = append(parts, plural(a.OneWay, "pair")+" left out, whose traffic needs no answer or got none")
	}
	return strings.Join(append(parts, a.Coverage.Text), "; ")
}

// minAnswered is how many packets of TCP one end sends at most, for each attempt, when nobody answers.
const minAnswered = 8

// mustHaveAnswer says of a one-sided row that the other end sent something, too.
func mustHaveAnswer(row *wire.Row) bool {
	c := &row.Counters
	return row.Attributes.Protocol == flow.TCP && c.PacketsReceived+c.PacketsSent > minAnswered*max(c.Attempts, 1)
}
