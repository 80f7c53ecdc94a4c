package filter

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestGiven(t *testing.T) {
	labels := map[string]string{"company": "acme", "site": "zrh"}
	for text, want := range map[string]string{
		"": "", "dport = 80": "dport = 80", "label.company = acme": "", "label.company = other": "never",
		"label.company != other & dport = 80":                                     "dport = 80",
		"label.company = other | dport = 80":                                      "dport = 80",
		"label.company = acme | dport = 80":                                       "",
		"label.rack = 7 & label.site = zrh":                                       "label.rack = 7",
		"!(label.company = acme & dport = 80)":                                    "dport != 80",
		"(label.company = acme | sip = 10.0.0.1) & dport = 80":                    "dport = 80",
		"dport = 80 & (label.company = x | proto = tcp & iface = eth0)":           "(dport = 80 & iface = eth0 & proto = tcp)",
		"bytes > 5 & label.site in (fra, zrh)":                                    "bytes > 5",
		"bytes > 5 & label.site in (fra, par)":                                    "never",
		"(label.site = z* & dport = 1 | label.site = f* & dport = 2) & bytes > 9": "(dport = 1 & bytes > 9)",
	} {
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		rest, holds := c.Given(labels)
		got := rest.String()
		if !holds {
			got = "never"
		}
		again, err := Parse(want)
		if want != "never" {
			if err != nil {
				t.Fatal(err)
			}
			want = again.String()
		}
		if sortedTerms(got) != sortedTerms(want) {
			t.Errorf("%s leaves %q, want %q", text, got, want)
		}
		if holds && !strings.Contains(text, "bytes") && rest.RowTerms().String() != got {
			t.Errorf("%s: row terms are %q", got, rest.RowTerms())
		}
	}
	c, err := Parse("bytes > 5 & dport = 80")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.RowTerms().String(); got != "dport = 80" {
		t.Errorf("row terms are %q", got)
	}
}

// sortedTerms makes texts comparable whose operands stand in another order.
func sortedTerms(text string) string {
	words := strings.Fields(strings.NewReplacer("(", "", ")", "").Replace(text))
	for i := range words {
		for j := i + 1; j < len(words); j++ {
			if words[j] < words[i] {
				words[i], words[j] = words[j], words[i]
			}
		}
	}
	return strings.Join(words, " ")
}

// What is left holds for exactly the rows of such a host for which the whole does.
func TestGivenKeepsTheMeaning(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	terms := []string{"label.company = acme", "label.company != acme", "label.site = zrh", "label.rack = 1", "dport = 80", "dport < 100", "proto = tcp", "iface = eth0"}
	var build func(depth int) string
	build = func(depth int) string {
		if depth == 0 || random.IntN(3) == 0 {
			return terms[random.IntN(len(terms))]
		}
		operator := []string{" & ", " | "}[random.IntN(2)]
		not := []string{"", "!"}[random.IntN(2)]
		return not + "(" + build(depth-1) + operator + build(depth-1) + ")"
	}
	for range 2000 {
		text := build(4)
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		labels := map[string]string{}
		for _, name := range []string{"company", "site"} {
			if random.IntN(2) == 0 {
				labels[name] = []string{"acme", "zrh", ""}[random.IntN(3)]
			}
		}
		rest, holds := c.Given(labels)
		whole, left := compile(t, c), compile(t, rest)
		for range 20 {
			row := Row{Interface: []string{"eth0", "eth1"}[random.IntN(2)], Labels: map[string]string{"rack": []string{"1", "2"}[random.IntN(2)]}}
			row.Key.DestinationPort, row.Key.Protocol = []uint16{80, 99, 443}[random.IntN(3)], 6
			for name, value := range labels {
				row.Labels[name] = value
			}
			if want, got := whole.Row(&row), holds && left.Row(&row); want != got {
				t.Fatalf("%s given %v leaves %q (%t), which differs for %+v", text, labels, rest, holds, row)
			}
		}
	}
}

func compile(t *testing.T, c *Condition) *Matcher {
	t.Helper()
	m, err := c.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
