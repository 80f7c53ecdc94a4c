package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

const (
	unitBytes   = "decbytes"
	unitCount   = "short"
	unitBits    = "bps"
	unitPackets = "pps"
	unitNanos   = "ns"
	unitPart    = "percentunit"
)

// measure is one numeric column of a table: a counter in one or both directions.
type measure struct {
	direction wire.Direction
	value     Value
	// seconds divide the sum: bits or packets per second. 0: the sum itself.
	seconds float64
}

// name is that of the counter in the table of fields where it is the sum.
func (m measure) name() string {
	base := string(m.value)
	if m.seconds > 0 {
		base = m.unit()
	}
	switch m.direction {
	case wire.DirectionIn:
		return base + "_received"
	case wire.DirectionOut:
		return base + "_sent"
	}
	return base
}

func (m measure) unit() string {
	switch {
	case m.seconds > 0 && m.value == Packets:
		return unitPackets
	case m.seconds > 0:
		return unitBits
	case m.value == Packets:
		return unitCount
	}
	return unitBytes
}

func (m measure) title() string {
	base := map[string]string{unitPackets: "Packets/s", unitBits: "Bits/s", unitCount: "Packets", unitBytes: "Bytes"}[m.unit()]
	switch m.direction {
	case wire.DirectionIn:
		return base + " received"
	case wire.DirectionOut:
		return base + " sent"
	}
	return base
}

func (m measure) description() string {
	way := map[wire.Direction]string{wire.DirectionIn: "the interface received", wire.DirectionOut: "the interface sent"}[m.direction]
	if way == "" {
		way = "in both directions"
	}
	if m.seconds > 0 {
		return map[Value]string{Bytes: "Bits ", Packets: "Packets "}[m.value] + way + ", per second of the time with data."
	}
	return map[Value]string{Bytes: "Bytes ", Packets: "Packets "}[m.value] + way + "."
}

// perSecond is the rate of a sum: of bytes in bits.
func (m measure) perSecond(sum uint64) float64 {
	if m.value == Bytes {
		return float64(sum) * 8 / m.seconds
	}
	return float64(sum) / m.seconds
}

// field is the column of a measure; sums stay integers.
func (m measure) field(rows []tableRow) *data.Field {
	config := &data.FieldConfig{DisplayNameFromDS: m.title(), Description: m.description(), Unit: m.unit()}
	if m.seconds > 0 {
		values := make([]float64, len(rows))
		for i, r := range rows {
			values[i] = m.perSecond(amount(r.row.Counters, m.direction, m.value))
		}
		return data.NewField(m.name(), nil, values).SetConfig(config)
	}
	values := make([]uint64, len(rows))
	for i, r := range rows {
		values[i] = amount(r.row.Counters, m.direction, m.value)
	}
	return data.NewField(m.name(), nil, values).SetConfig(config)
}

// before is the column of the same measure in the earlier span; null in the remainder, which has none.
func (m measure) before(rows []tableRow) *data.Field {
	config := &data.FieldConfig{DisplayNameFromDS: m.title() + " before", Description: m.description() + " In the earlier span.", Unit: m.unit()}
	if m.seconds > 0 {
		values := make([]*float64, len(rows))
		for i, r := range rows {
			if r.row.Before != nil {
				rate := m.perSecond(amount(*r.row.Before, m.direction, m.value))
				values[i] = &rate
			}
		}
		return data.NewField(m.name()+"_before", nil, values).SetConfig(config)
	}
	values := make([]*uint64, len(rows))
	for i, r := range rows {
		if r.row.Before != nil {
			sum := amount(*r.row.Before, m.direction, m.value)
			values[i] = &sum
		}
	}
	return data.NewField(m.name()+"_before", nil, values).SetConfig(config)
}

// change is by how much a row's sum grew over the earlier span's; null where there was nothing to grow from.
func (m measure) change(rows []tableRow) *data.Field {
	values := make([]*float64, len(rows))
	for i, r := range rows {
		if r.row.Before == nil {
			continue
		}
		if before := amount(*r.row.Before, m.direction, m.value); before > 0 {
			change := float64(amount(r.row.Counters, m.direction, m.value))/float64(before) - 1
			values[i] = &change
		}
	}
	config := &data.FieldConfig{
		DisplayNameFromDS: "Change", Unit: unitPart,
		Description: "Growth over the earlier span; empty where there was nothing then.",
	}
	return data.NewField("change", nil, values).SetConfig(config.SetDecimals(shareDecimals))
}

// counter is a column of something that is counted and only summed.
func counter(name, title, description string, rows []tableRow, of func(wire.Counters) uint64) *data.Field {
	values := make([]uint64, len(rows))
	for i, r := range rows {
		values[i] = of(r.row.Counters)
	}
	return data.NewField(name, nil, values).SetConfig(&data.FieldConfig{DisplayNameFromDS: title, Description: description, Unit: unitCount})
}

// handshakes are the columns of connection attempts and their outcomes.
func handshakes(rows []tableRow) []*data.Field {
	trips := make([]*float64, len(rows))
	for i, r := range rows {
		if n := r.row.Counters.RoundTrips; n > 0 {
			mean := float64(r.row.Counters.RoundTripNanoseconds) / float64(n)
			trips[i] = &mean
		}
	}
	return []*data.Field{
		counter("attempts", "Attempts", "Connection attempts whose outcome is known.", rows, func(c wire.Counters) uint64 { return c.Attempts }),
		counter("accepts", "Accepted", "Connection attempts that were answered.", rows, func(c wire.Counters) uint64 { return c.Accepts }),
		counter("rejects", "Rejected", "Connection attempts that were refused, by a reset or an ICMP error.", rows, func(c wire.Counters) uint64 { return c.Rejects }),
		counter("unanswered", "Blocked", "Connection attempts that nothing answered: usually a filter that drops, or nobody there.", rows, unanswered),
		data.NewField("rtt", nil, trips).SetConfig(&data.FieldConfig{
			DisplayNameFromDS: "Round-trip time", Description: "Mean of the handshakes; empty where none was seen whole.", Unit: unitNanos,
		}),
	}
}

// unanswered are the attempts that were neither accepted nor rejected.
func unanswered(c wire.Counters) uint64 {
	return c.Attempts - min(c.Attempts, c.Accepts+c.Rejects)
}

// Seconds is the length of the covered span of a result, in seconds; otherwise that of the range that was asked for.
func Seconds(result *wire.Result, asked time.Duration) float64 {
	if span := result.Summary.TimeLast.Sub(result.Summary.TimeFirst); span > 0 && !result.Summary.TimeFirst.IsZero() {
		return span.Seconds()
	}
	return max(asked.Seconds(), 1)
}
