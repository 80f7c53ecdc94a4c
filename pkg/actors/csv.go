package actors

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Titles of the columns of a table, the best first. Our own tables have the first ones:
// prefix,port,proto,label,source,confidence,valid_from,valid_until.
var (
	addressColumns    = []string{"prefix", "cidr", "network", "ip", "ip_address", "ipaddress", "address", "addr", "dst_ip", "ioc", "ioc_value", "indicator", "sip", "dip"}
	portColumns       = []string{"port", "dst_port", "dport"}
	protocolColumns   = []string{"proto", "protocol"}
	labelColumns      = []string{"label", "malware", "malware_printable", "threat", "name", "description", "comment"}
	sourceColumns     = []string{"source", "feed", "reporter"}
	confidenceColumns = []string{"confidence", "confidence_level", "score"}
	fromColumns       = []string{"valid_from", "from"}
	untilColumns      = []string{"valid_until", "until", "expires"}
)

// table is where the columns of a table are; -1: nowhere.
type table struct {
	known                                                                     bool
	address, port, protocol, label, source, confidence, validFrom, validUntil int
}

// newCSV reads a table: the column whose title says that it holds addresses, else the first that holds one in the first
// line; with titles what else is known of an entry, too.
func newCSV(*parser) lineReader {
	var t table
	return func(line string) (string, Entry, error) {
		if line == "" || line[0] == '#' || line[0] == ';' {
			return "", Entry{}, nil
		}
		record, err := splitCSV(line)
		if err != nil {
			return "", Entry{}, err
		}
		if !t.known {
			if titled, err := t.find(record); titled || err != nil {
				return "", Entry{}, err
			}
		}
		if t.address >= len(record) {
			return "", Entry{}, fmt.Errorf("%d columns, the address is in column %d", len(record), t.address+1)
		}
		e, err := t.entry(record)
		return cell(record, t.address), e, err
	}
}

func splitCSV(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.LazyQuotes, r.TrimLeadingSpace = true, true
	if !strings.Contains(line, ",") {
		r.Comma = '\t'
	}
	record, err := r.Read()
	if err != nil {
		return nil, errors.New("it cannot be read as comma separated values")
	}
	return record, nil
}

// find finds the columns in the first line, and says whether that is a line of titles.
func (t *table) find(record []string) (titled bool, err error) {
	column := func(titles []string) int {
		for _, title := range titles {
			if i := slices.IndexFunc(record, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), title) }); i >= 0 {
				return i
			}
		}
		return -1
	}
	*t = table{known: true, address: column(addressColumns), port: -1, protocol: -1, label: -1, source: -1, confidence: -1, validFrom: -1, validUntil: -1}
	if t.address >= 0 {
		t.port, t.protocol, t.label = column(portColumns), column(protocolColumns), column(labelColumns)
		t.source, t.confidence = column(sourceColumns), column(confidenceColumns)
		t.validFrom, t.validUntil = column(fromColumns), column(untilColumns)
		return true, nil
	}
	t.address = slices.IndexFunc(record, func(s string) bool {
		s = strings.TrimSpace(s)
		_, err := netip.ParseAddr(s)
		if err != nil {
			_, err = netip.ParsePrefix(s)
		}
		return err == nil
	})
	if t.known = t.address >= 0; !t.known {
		return false, errors.New("no column holds an address, and none is titled prefix, ip, address, cidr or network")
	}
	return false, nil
}

func cell(record []string, column int) string {
	if column < 0 || column >= len(record) {
		return ""
	}
	return strings.TrimSpace(record[column])
}

// entry reads what a line says beside the address. What cannot be read is a fault of the line: an entry that is taken
// for valid at any time, or at any port, because of a typing error would be another one.
func (t *table) entry(record []string) (e Entry, err error) {
	e.Label, e.Source = cell(record, t.label), cell(record, t.source)
	if text := cell(record, t.port); text != "" && text != "0" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return e, fmt.Errorf("port %q: expected a number from 1 to 65535", clip(text))
		}
		e.Port = uint16(port)
	}
	if text := cell(record, t.protocol); text != "" {
		protocol, ok := flow.ParseProtocol(strings.ToLower(text))
		if !ok {
			return e, fmt.Errorf("protocol %q: expected a name such as tcp, or a number", clip(text))
		}
		e.Protocol = protocol
	}
	if text := strings.TrimSuffix(cell(record, t.confidence), "%"); text != "" {
		confidence, err := strconv.ParseFloat(text, 64)
		if err != nil || confidence < 0 || confidence > 100 {
			return e, fmt.Errorf("confidence %q: expected percent, from 0 to 100", clip(text))
		}
		e.Confidence = uint8(confidence + 0.5)
	}
	if e.From, err = day(cell(record, t.validFrom), false); err != nil {
		return e, err
	}
	if e.Until, err = day(cell(record, t.validUntil), true); err == nil && !e.Until.IsZero() && e.Until.Before(e.From) {
		err = fmt.Errorf("valid until %s, before it is valid from %s", e.Until.Format(time.DateTime), e.From.Format(time.DateTime))
	}
	return e, err
}

// day reads a moment in UTC; a date by itself is its beginning, or its end.
func day(text string, end bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return bounded(t)
		}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("time %q: expected one such as 2026-11-20 or 2026-11-20T05:00:00Z", clip(text))
	}
	if end {
		t = t.Add(24*time.Hour - time.Second)
	}
	return bounded(t)
}

func bounded(t time.Time) (time.Time, error) {
	if t.Year() < 1971 || t.Year() > 9999 {
		return t, fmt.Errorf("a time in the year %d", t.Year())
	}
	return t.UTC(), nil
}
