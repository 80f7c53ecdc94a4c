package actors

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// lineReader finds the entry of one line; empty: the line has none, such as a comment.
type lineReader func(line string) (entry string, err error)

// format is a way to write a list down. A new one is a row in formats.
type format struct {
	name string
	// detect says whether the text, given the first line that is no comment, is of this format.
	detect func(line string) bool
	// reader makes the reader of one text; it may remember what a header said.
	reader func() lineReader
}

// formats are tried in this order. The last one takes everything.
func formats() []format {
	return []format{
		{"csv", func(line string) bool { return strings.ContainsAny(line, ",\t") }, newCSV},
		{"plain", func(string) bool { return true }, func() lineReader { return readPlain }},
	}
}

func findFormat(data []byte, name string) (format, error) {
	known := map[string]format{}
	first := firstLine(data)
	for _, f := range formats() {
		if name == "" && f.detect(first) {
			return f, nil
		}
		known[f.name] = f
	}
	if f, ok := known[name]; ok {
		return f, nil
	}
	return format{}, fmt.Errorf("unknown format %q of a list: expected %s", clip(name), strings.Join(slices.Sorted(maps.Keys(known)), " or "))
}

// firstLine is the first one that is neither blank nor a comment.
func firstLine(data []byte) string {
	for line := range bytes.Lines(data) {
		if text := uncommented(string(line[:min(len(line), maxLine)])); text != "" {
			return text
		}
	}
	return ""
}

// uncommented is a line without what follows a comment sign (FireHOL has #, Spamhaus has ;) and without blanks around.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' || line[i] == ';' {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// readPlain takes the first word of a line, and no second one: a line of prose is no entry.
func readPlain(line string) (string, error) {
	entry := uncommented(line)
	if strings.IndexFunc(entry, unicode.IsSpace) >= 0 {
		return "", fmt.Errorf("%q: expected one address or prefix", clip(line))
	}
	return entry, nil
}

// addressColumns are the titles of columns that hold what a list is about, the best first.
var addressColumns = []string{"cidr", "network", "prefix", "ip", "ip_address", "ipaddress", "address", "addr", "dst_ip", "ioc", "ioc_value", "indicator", "sip", "dip"}

// newCSV reads one column: the one whose title says so, else the first that holds an address in the first line.
func newCSV() lineReader {
	column := -1
	return func(line string) (string, error) {
		if line == "" || line[0] == '#' || line[0] == ';' {
			return "", nil
		}
		record, err := splitCSV(line)
		if err != nil {
			return "", err
		}
		if column < 0 {
			var titled bool
			if column, titled = findColumn(record); titled {
				return "", nil
			}
			if column < 0 {
				return "", errors.New("no column holds an address, and none is titled ip, address, cidr or network")
			}
		}
		if column >= len(record) {
			return "", fmt.Errorf("%d columns, the address is in column %d", len(record), column+1)
		}
		return strings.TrimSpace(record[column]), nil
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

// findColumn finds the column of addresses in the first line, and says whether that is a line of titles.
func findColumn(record []string) (column int, titled bool) {
	for _, title := range addressColumns {
		if i := slices.IndexFunc(record, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), title) }); i >= 0 {
			return i, true
		}
	}
	return slices.IndexFunc(record, func(s string) bool {
		s = strings.TrimSpace(s)
		_, err := netip.ParseAddr(s)
		if err != nil {
			_, err = netip.ParsePrefix(s)
		}
		return err == nil
	}), false
}
