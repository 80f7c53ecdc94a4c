package wire

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// UnmarshalJSON decodes a row. One as AppendRow writes it is read in one pass; whatever else a server may write goes to
// encoding/json, with the same outcome.
func (r *Row) UnmarshalJSON(data []byte) error {
	s := rowScanner{rest: data}
	row := *r
	if s.row(&row) && len(s.rest) == 0 {
		*r = row
		return nil
	}
	type plain Row // without methods
	return json.Unmarshal(data, (*plain)(r))
}

// rowScanner reads JSON without white space, escapes and surprises. Each method says whether it found what it looked for.
type rowScanner struct{ rest []byte }

func (s *rowScanner) take(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// text reads a plain string; its bytes are those of the input.
func (s *rowScanner) text() ([]byte, bool) {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil, false
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[1:i]
			s.rest = s.rest[i+1:]
			return text, true
		case c == '\\' || c < ' ' || c >= 0x80:
			return nil, false
		}
	}
	return nil, false
}

func (s *rowScanner) number(most uint64) (n uint64, ok bool) {
	i := 0
	for i < len(s.rest) && i < 20 && s.rest[i] >= '0' && s.rest[i] <= '9' {
		i++
	}
	if i == 0 || i > 1 && s.rest[0] == '0' || i < len(s.rest) && (s.rest[i] >= '0' && s.rest[i] <= '9' || s.rest[i] == '.' || s.rest[i] == 'e' || s.rest[i] == 'E') {
		return 0, false
	}
	if i < 19 {
		for _, c := range s.rest[:i] {
			n = n*10 + uint64(c-'0')
		}
	} else {
		var err error
		if n, err = strconv.ParseUint(string(s.rest[:i]), 10, 64); err != nil {
			return 0, false
		}
	}
	s.rest = s.rest[i:]
	return n, n <= most
}

// object reads members in any order.
func (s *rowScanner) object(member func(name []byte) bool) bool {
	if !s.take("{") {
		return false
	}
	for first := true; !s.take("}"); first = false {
		if !first && !s.take(",") {
			return false
		}
		name, ok := s.text()
		if !ok || !s.take(":") || !member(name) {
			return false
		}
	}
	return true
}

func (s *rowScanner) row(r *Row) bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "labels":
			return s.object(func(name []byte) bool { return s.label(name, &r.Labels) })
		case "attributes":
			r.Attributes = Attributes{} // as Attributes.UnmarshalJSON begins
			return s.object(func(name []byte) bool { return s.attribute(name, &r.Attributes) })
		case "counters":
			return s.counters(&r.Counters)
		case "before":
			before := Counters{}
			if r.Before != nil {
				before = *r.Before
			}
			r.Before = &before
			return s.counters(r.Before)
		case "first_seen":
			return s.time(&r.FirstSeen)
		case "last_seen":
			return s.time(&r.LastSeen)
		}
		return false
	})
}

func (s *rowScanner) label(name []byte, l *Labels) bool {
	into := &l.Iface
	switch string(name) {
	case "timestamp":
		return s.time(&l.Timestamp)
	case "iface":
	case "host":
		into = &l.Host
	case "host_id":
		into = &l.HostID
	default: // labels of the operator's are rare, and may hold anything
		return false
	}
	text, ok := s.text()
	*into = string(text)
	return ok
}

func (s *rowScanner) attribute(name []byte, a *Attributes) bool {
	switch string(name) {
	case "sip":
		return s.address(&a.Source)
	case "dip":
		return s.address(&a.Destination)
	case "dport":
		n, ok := s.number(1<<16 - 1)
		a.DestinationPort = uint16(n)
		return ok
	case "proto":
		n, ok := s.number(1<<8 - 1)
		a.Protocol = flow.Protocol(n)
		return ok
	case "verdict":
		text, ok := s.text()
		if v, known := flow.ParseVerdict(string(text)); ok && known {
			a.Verdict = v.String()
			return true
		}
	}
	return false // networks, too: they are few
}

func (s *rowScanner) address(a *netip.Addr) bool {
	text, ok := s.text()
	if !ok {
		return false
	}
	parsed, err := netip.ParseAddr(string(text))
	*a = parsed
	return err == nil
}

func (s *rowScanner) time(t *time.Time) bool {
	text, ok := s.text()
	if !ok {
		return false
	}
	parsed, err := time.Parse(time.RFC3339, string(text))
	*t = parsed
	return err == nil && len(text) == len("2006-01-02T15:04:05Z") && text[len(text)-1] == 'Z'
}

func (s *rowScanner) counters(c *Counters) bool {
	return s.object(func(name []byte) bool {
		var into *uint64
		switch string(name) {
		case "br":
			into = &c.BytesReceived
		case "bs":
			into = &c.BytesSent
		case "pr":
			into = &c.PacketsReceived
		case "ps":
			into = &c.PacketsSent
		case "ca":
			into = &c.Attempts
		case "cc":
			into = &c.Accepts
		case "cr":
			into = &c.Rejects
		case "rtt_ns":
			into = &c.RoundTripNanoseconds
		case "rtt_n":
			into = &c.RoundTrips
		default:
			return false
		}
		n, ok := s.number(1<<64 - 1)
		*into = n
		return ok
	})
}
