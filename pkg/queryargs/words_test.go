package queryargs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string]Typed{
		``:                            {},
		`  `:                          {},
		`weir`:                        {Last: "weir", Raw: "weir"},
		`weir `:                       {Words: []string{"weir"}},
		`weir -c 'dport in (2`:        {Words: []string{"weir", "-c"}, Last: "dport in (2", Raw: "'dport in (2", Quote: "'"},
		`weir --condition="a \"b`:     {Words: []string{"weir"}, Last: `--condition=a "b`, Raw: `--condition="a \"b`, Quote: `"`, Open: 12},
		`weir "a\b" '' a\ b\`:         {Words: []string{"weir", `a\b`, ""}, Last: "a b", Raw: `a\ b\`},
		`weir 'it'\''s' $'\303\274\n`: {Words: []string{"weir", "it's"}, Last: "ün", Raw: `$'\303\274\n`, Quote: "$'"},
		`weir -c 'a' `:                {Words: []string{"weir", "-c", "a"}},
		`weir -c 'a'`:                 {Words: []string{"weir", "-c"}, Last: "a", Raw: "'a'"},
		`"`:                           {Raw: `"`, Quote: `"`},
	} {
		if diff := cmp.Diff(want, Split(line)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// FuzzSplit: what Quote quotes is one word, and what Complete completes makes the word.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", "a b", "it's", `\`, "\x1b[31m\xff", `$x "y" !z`, "ü"} {
		f.Add(text, "'")
		f.Add("typed ", text)
	}
	f.Fuzz(func(t *testing.T, typed, text string) {
		typed, text = strings.ReplaceAll(typed, "\x00", ""), strings.ReplaceAll(text, "\x00", "")
		if got := Split("weir " + Quote(text) + " "); len(got.Words) != 2 || got.Words[1] != text {
			t.Fatalf("%s: %q, want %q", Quote(text), got.Words, text)
		}
		if !isPrintable(text) {
			return // is not completed
		}
		for _, open := range []string{"", "'", `"`, "--x='"} {
			line := Split("weir " + open + escape(strings.ToValidUTF8(strings.Join(strings.Fields(typed), ""), "")))
			raw := line.Raw
			switch at := strings.IndexAny(raw, `'"`); {
			case line.Quote != "" && strings.IndexAny(raw, `'"`) == strings.Index(raw, line.Quote) && strings.Count(raw, line.Quote) == 1:
				raw = raw[:at+1]
			case line.Quote != "":
				continue
			default:
				raw = ""
			}
			want := line.Last + text
			if got := Split(raw + line.Complete(want)); got.Last != want || len(got.Words) > 0 {
				t.Fatalf("%q completed to %q: %q, want %q", line.Raw, raw+line.Complete(want), got.Last, want)
			}
		}
	})
}
