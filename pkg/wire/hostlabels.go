package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bounds on the labels of a row.
const (
	maxHostLabels     = 64
	maxHostLabelBytes = 8 << 10 // of all names and values together
)

// HostLabels are labels that the operator gave the host of a row, those that the query groups by. Equal labels are
// equal values, so that rows stay comparable. The zero value has none. A label that is missing is empty; on the wire
// they are an object of texts.
type HostLabels string // name, 0, value, 0, and so on, by name; no value is empty

// HostLabelsFrom makes labels of a map. What is empty, or has a zero byte, is left out.
func HostLabelsFrom(labels map[string]string) HostLabels {
	return HostLabelsOf(slices.Sorted(maps.Keys(labels)), func(name string) string { return labels[name] })
}

// HostLabelsOf makes labels of those names, which must ascend.
func HostLabelsOf(names []string, value func(name string) string) HostLabels {
	var b strings.Builder
	for _, name := range names {
		v := value(name)
		if v == "" || name == "" || strings.ContainsRune(name, 0) || strings.ContainsRune(v, 0) {
			continue
		}
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(v)
		b.WriteByte(0)
	}
	return HostLabels(b.String())
}

// Get returns the value of a label, empty if there is none.
func (l HostLabels) Get(name string) string {
	for n, v := range l.All {
		if n == name {
			return v
		}
	}
	return ""
}

// All iterates over names and values, by name.
func (l HostLabels) All(yield func(name, value string) bool) {
	for rest := string(l); rest != ""; {
		name, after, _ := strings.Cut(rest, "\x00")
		value, next, _ := strings.Cut(after, "\x00")
		if !yield(name, value) {
			return
		}
		rest = next
	}
}

// Only keeps the labels of those names, which must ascend.
func (l HostLabels) Only(names []string) HostLabels {
	if l == "" {
		return ""
	}
	return HostLabelsOf(names, l.Get)
}

// With sets labels, over those of the same name.
func (l HostLabels) With(labels map[string]string) HostLabels {
	if len(labels) == 0 {
		return l
	}
	all := maps.Collect(l.All)
	maps.Copy(all, labels)
	return HostLabelsFrom(all)
}

// MarshalJSON writes an object.
func (l HostLabels) MarshalJSON() ([]byte, error) { return l.appendJSON(nil), nil }

func (l HostLabels) appendJSON(b []byte) []byte {
	b = append(b, '{')
	start := len(b)
	for name, value := range l.All {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = appendString(b, value)
	}
	return append(b, '}')
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (l *HostLabels) UnmarshalJSON(data []byte) error {
	if len(data) > 6*maxHostLabelBytes { // written in escapes
		return fmt.Errorf("labels of a host: more than %d bytes", maxHostLabelBytes)
	}
	var labels map[string]string
	if err := json.Unmarshal(data, &labels); err != nil {
		return err
	}
	if len(labels) > maxHostLabels {
		return fmt.Errorf("labels of a host: %d, more than the limit of %d", len(labels), maxHostLabels)
	}
	if *l = HostLabelsFrom(labels); len(*l) > maxHostLabelBytes {
		return fmt.Errorf("labels of a host: more than %d bytes", maxHostLabelBytes)
	}
	return nil
}
