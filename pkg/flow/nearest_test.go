package flow

import (
	"math/rand/v2"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"sip", "dip", "dport", "proto", "verdict", "iface", "ipv6-icmp"}
	for _, test := range []struct {
		word, want string
		ok         bool
	}{
		{"dprot", "dport", true},  // neighbours exchanged
		{"dpotr", "dport", true},  // neighbours exchanged
		{"ddport", "dport", true}, // one too many
		{"port", "dport", true},   // one missing
		{"prtoo", "proto", true},  // exchange
		{"verdcit", "verdict", true},
		{"verdi", "verdict", true}, // two missing
		{"verd", "", false},        // three missing
		{"sap", "sip", true},       // short words: one edit
		{"sop", "sip", true},
		{"xyz", "", false},
		{"", "", false},
		{"dport", "dport", true},
	} {
		if got, ok := Nearest(test.word, words); ok != test.ok || ok && got != test.want {
			t.Errorf("Nearest(%q) = %q, %t; want %q, %t", test.word, got, ok, test.want, test.ok)
		}
	}
	if got, ok := Nearest("sip", nil); ok {
		t.Errorf("Nearest of nothing is %q", got)
	}
}

// reference is the same distance, straight from its definition by recursion.
func reference(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	i, j := len(a)-1, len(b)-1
	d := min(reference(a[:i], b)+1, reference(a, b[:j])+1)
	if a[i] == b[j] {
		d = min(d, reference(a[:i], b[:j]))
	} else {
		d = min(d, reference(a[:i], b[:j])+1)
	}
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		d = min(d, reference(a[:i-1], b[:j-1])+1)
	}
	return d
}

func TestDistanceEqualsDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func() string {
		b := make([]byte, random.IntN(7))
		for i := range b {
			b[i] = "abc"[random.IntN(3)]
		}
		return string(b)
	}
	for range 5000 {
		a, b := draw(), draw()
		if got, want := distance(a, b), reference(a, b); got != want {
			t.Fatalf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	}
}

// FuzzNearest: never panics; what is found is a candidate within the limit, and no candidate is closer.
func FuzzNearest(f *testing.F) {
	f.Add("dprot", "dport", "proto")
	f.Add("", "", "")
	f.Add("ü", "u", "\xff")
	f.Fuzz(func(t *testing.T, word, a, b string) {
		got, ok := Nearest(word, []string{a, b})
		if !ok {
			return
		}
		if got != a && got != b {
			t.Fatalf("Nearest(%q, %q, %q) = %q", word, a, b, got)
		}
		d := distance(word, got)
		if d > 2 || d != distance(got, word) || (d == 0) != (word == got) {
			t.Fatalf("distance(%q, %q) = %d", word, got, d)
		}
		for _, other := range []string{a, b} {
			if len(other) <= 64 && distance(word, other) < d {
				t.Fatalf("Nearest(%q) = %q, but %q is closer", word, got, other)
			}
		}
	})
}
