package frames

import "strconv"

// quantity writes an amount with a decimal prefix and three digits, for places where Grafana applies no unit:
// "4.98 GB", "12.3 k".
func quantity(n uint64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	value, prefix := float64(n), 0
	for value >= 999.5 && prefix < len(prefixes)-1 {
		value /= 1000
		prefix++
	}
	digits := 0
	if prefix > 0 {
		switch {
		case value < 9.995:
			digits = 2
		case value < 99.95:
			digits = 1
		}
	}
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if suffix := prefixes[prefix] + unit; suffix != "" {
		text += " " + suffix
	}
	return text
}

// volume writes bytes or packets.
func volume(n uint64, value Value) string {
	switch {
	case value == Packets && n == 1:
		return "1 packet"
	case value == Packets:
		return quantity(n, "") + " packets"
	}
	return quantity(n, "B")
}
