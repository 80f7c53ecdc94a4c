package filter

import (
	"flag"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

var (
	seed   = flag.Uint64("seed", 1, "first seed of the property tests")
	rounds = flag.Uint64("rounds", 3000, "conditions drawn by each property test")
)

const rowsPerCondition = 20

// forEachSeed runs a property and says which seed breaks it: go test -run NAME -seed N -rounds 1.
func forEachSeed(t *testing.T, property func(t *testing.T, seed uint64)) {
	t.Helper()
	for s := *seed; s < *seed+*rounds && !t.Failed(); s++ {
		if property(t, s); t.Failed() {
			t.Logf("seed %d", s)
		}
	}
}

func compileText(t *testing.T, text string) *Matcher {
	t.Helper()
	m, err := mustParse(t, text).Compile()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m
}

// What is compiled does what was typed, and so does the canonical text, which is stable.
func TestCompiledEqualsNaive(t *testing.T) {
	matched, total := 0, 0
	forEachSeed(t, func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		text := g.tree(4, g.rowTerm)
		tree, syntax := parse(text)
		if syntax != nil {
			t.Fatalf("%q: %v", text, syntax)
		}
		canonical := mustParse(t, text).String()
		if again := mustParse(t, canonical).String(); again != canonical {
			t.Errorf("%q prints as %q, which prints as %q", text, canonical, again)
			return
		}
		compiled, printed := compileText(t, text), compileText(t, canonical)
		for range rowsPerCondition {
			row := g.row()
			want := tree.holds(row, flow.Counters{})
			if got := compiled.Row(row); got != want {
				t.Errorf("%q\n= %q on %+v: %t, by the tree as typed %t", text, canonical, row, got, want)
				return
			}
			if got := printed.Row(row); got != want {
				t.Errorf("%q on %+v: %t; as typed, %q, %t", canonical, row, got, text, want)
				return
			}
			total++
			if want {
				matched++
			}
		}
	})
	if *rounds >= 1000 && (matched < total/5 || matched > total*4/5) {
		t.Errorf("%d of %d rows match: the rows are badly chosen", matched, total)
	}
}

// The same for terms on sums, joined to terms on rows by the top-level AND in any place.
func TestGroupsEqualNaive(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		rows, groups := g.tree(2, g.rowTerm), g.tree(3, g.groupTerm)
		text := "(" + rows + ") & (" + groups + ")"
		if g.IntN(2) == 0 {
			text = "(" + groups + ") and [[" + rows + "]]"
		}
		rowTree, _ := parse(rows)
		groupTree, _ := parse(groups)
		canonical := mustParse(t, text).String()
		m := compileText(t, canonical)
		if !m.HasGroup() {
			t.Fatalf("%q has no terms on groups", text)
		}
		for range rowsPerCondition {
			row, sums := g.row(), g.counters()
			if got, want := m.Row(row), rowTree.holds(row, sums); got != want {
				t.Errorf("%q on %+v: %t, as typed %t", canonical, row, got, want)
			}
			if got, want := m.Group(sums), groupTree.holds(row, sums); got != want {
				t.Errorf("%q on %+v: %t, as typed %t", canonical, sums, got, want)
			}
		}
	})
}

// NOT is the complement, and De Morgan's laws hold, in what is printed and in what matches.
func TestComplementAndDeMorgan(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		a, b := "("+g.tree(2, g.rowTerm)+")", "("+g.tree(2, g.rowTerm)+")"
		for _, laws := range [][2]string{
			{"!(" + a + " & " + b + ")", "!" + a + " | !" + b},
			{"!(" + a + " | " + b + ")", "!" + a + " & !" + b},
			{"!!" + a, a},
			{a + " & (" + b + " & " + a + ")", "(" + a + " & " + b + ") & " + a},
		} {
			if left, right := mustParse(t, laws[0]).String(), mustParse(t, laws[1]).String(); left != right {
				t.Errorf("%q is %q,\nbut %q is %q", laws[0], left, laws[1], right)
			}
		}
		positive, negative := compileText(t, a+" & "+b), compileText(t, "!("+a+" & "+b+")")
		swapped := compileText(t, b+" & "+a)
		for range rowsPerCondition {
			row := g.row()
			if positive.Row(row) == negative.Row(row) {
				t.Errorf("%q & %q and its complement agree on %+v", a, b, row)
			}
			if positive.Row(row) != swapped.Row(row) {
				t.Errorf("%q & %q depends on the order on %+v", a, b, row)
			}
		}
	})
}

// A condition on IPv4 addresses and its translation to IPv6 match the same rows, translated.
func TestFamilySymmetry(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		four, six := newGenerator(seed), newGenerator(seed)
		four.plain, six.plain, six.six = true, true, true
		text4, text6 := four.tree(3, four.rowTerm), six.tree(3, six.rowTerm)
		m4, m6 := compileText(t, text4), compileText(t, text6)
		for range rowsPerCondition {
			row4, row6 := four.row(), six.row()
			if row4.Key.DestinationAddr() == row6.Key.DestinationAddr() || row4.Key.DestinationPort != row6.Key.DestinationPort {
				t.Fatal("the generators are out of step")
			}
			if got4, got6 := m4.Row(row4), m6.Row(row6); got4 != got6 {
				t.Errorf("%q on %+v: %t\n%q on %+v: %t", text4, row4, got4, text6, row6, got6)
				return
			}
		}
	})
}
