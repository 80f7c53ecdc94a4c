package frames

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Bounds of what stands in a notice, in characters: a host's own words, and the hosts of one complaint. Above the
// first of the two sums the hosts' words are left out, above the second their names are counted.
const (
	reasonLength  = 200
	reasonsLength = 1500
	namesLength   = 4000
)

// uncovered is how much shorter than the range the data may be before that is worth a word: a fraction of the range.
const uncovered = 0.1

// complaint is a class of host states that a viewer has to know of.
type complaint struct {
	states []wire.State
	one    string // "1 of 3 hosts ..."
	many   string
	advice string // where to find what to do
}

// complaints are ordered from the worst.
var complaints = []complaint{
	{[]wire.State{wire.StateError, wire.StateTimeout}, "host did not answer", "hosts did not answer", "; Save & test of the data source says what to do"},
	{[]wire.State{wire.StateSkipped}, "host was not asked", "hosts were not asked", ""},
	{[]wire.State{wire.StatePartial}, "host answered in part", "hosts answered in part", ""},
	{[]wire.State{wire.StateNoData, wire.StateOutsideCoverage}, "host has no data in this range", "hosts have no data in this range", ""},
}

// notices say what a viewer of the answer has to know: at most one warning (hosts that failed, worst first, each
// named with its reason; damage; packets that capture lost or counted without addresses) and at most one information
// (what is cut off, what the data do not cover, remarks), because a panel shows one notice per severity. Both are
// single lines.
func (a About) notices() []data.Notice {
	var notices []data.Notice
	if text := a.warning(); text != "" {
		notices = append(notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: text})
	}
	if text := a.information(); text != "" {
		notices = append(notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: text})
	}
	return notices
}

func (a About) warning() string {
	var parts []string
	for _, c := range complaints {
		if a.Done < a.Total && slices.Contains(c.states, wire.StateSkipped) {
			continue // their turn comes
		}
		if names := c.hosts(a.Result.HostsStatuses); len(names) > 0 {
			parts = append(parts, c.text(names, a.Result.HostsStatuses))
		}
	}
	if text := clocks(a.Result.HostsStatuses); text != "" {
		parts = append(parts, text)
	}
	summary := &a.Result.Summary
	if n := summary.Stats.BlocksCorrupted; n > 0 {
		parts = append(parts, fmt.Sprintf("%s stored blocks are damaged and not part of this answer", thousands(n)))
	}
	if c := summary.Accounting; c != nil && c.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("capture lost %s of %s packets in this range",
			thousands(c.Dropped), thousands(c.Received+c.Dropped)))
	}
	if f := summary.Folded; f != nil && f.Packets > 0 {
		parts = append(parts, fmt.Sprintf("%s packets in %s intervals were counted without addresses, because a flow table was full: what is said of addresses may lack them",
			thousands(f.Packets), thousands(f.Intervals)))
	}
	return strings.Join(parts, "; ")
}

func (a About) information() string {
	var parts []string
	if a.Done < a.Total {
		parts = append(parts, fmt.Sprintf("%d of %d hosts so far", a.Done, a.Total))
	}
	if !a.Covered {
		for _, text := range []string{truncation(&a.Result.Summary, a.Step > 0), a.coverage()} {
			if text != "" {
				parts = append(parts, text)
			}
		}
	}
	return strings.Join(append(parts, a.Remarks...), "; ")
}

// clocks names the hosts whose clocks differ from that of whoever asked them.
func clocks(statuses map[string]wire.Status) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(statuses)) {
		status := statuses[name]
		if skew := time.Duration(status.ClockSkewNanoseconds).Round(time.Second); skew != 0 && status.Class != wire.ClassClock {
			names = append(names, fmt.Sprintf("%s (%s)", name, Skew(skew)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "clocks differ, so that times do too: " + bounded(names)
}

// Skew says how a clock differs.
func Skew(skew time.Duration) string {
	if skew < 0 {
		return fmt.Sprintf("%s behind", -skew)
	}
	return fmt.Sprintf("%s ahead", skew)
}

// coverage says which part of the range has data, where that is less than the range.
func (a About) coverage() string {
	summary := &a.Result.Summary
	asked := a.Last.Sub(a.First)
	if asked <= 0 {
		return ""
	}
	if len(a.Result.Rows) == 0 && a.Result.Status.Code == wire.CodeMissingData {
		return OneLine(a.Result.Status.Message)
	}
	if summary.TimeFirst.IsZero() || !summary.TimeLast.After(summary.TimeFirst) || !summary.DataAvailable {
		return ""
	}
	const layout = "2006-01-02 15:04 MST"
	slack := time.Duration(float64(asked) * uncovered)
	late, early := summary.TimeFirst.Sub(a.First) > slack, a.Last.Sub(summary.TimeLast) > slack
	switch {
	case late && early:
		return fmt.Sprintf("there is data from %s to %s only", summary.TimeFirst.UTC().Format(layout), summary.TimeLast.UTC().Format(layout))
	case late:
		return fmt.Sprintf("the data begins at %s", summary.TimeFirst.UTC().Format(layout))
	case early:
		return fmt.Sprintf("the data ends at %s", summary.TimeLast.UTC().Format(layout))
	}
	return ""
}

// hosts lists the names of the hosts in one of the complaint's states: by state as listed, then by name.
func (c complaint) hosts(statuses map[string]wire.Status) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(statuses)) {
		if slices.Contains(c.states, StateOf(statuses[name])) {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(slices.Index(c.states, StateOf(statuses[a])), slices.Index(c.states, StateOf(statuses[b])))
	})
	return names
}

// text is "2 of 3 hosts did not answer: b (connection refused), a (timeout)".
func (c complaint) text(names []string, statuses map[string]wire.Status) string {
	noun := c.many
	if len(statuses) == 1 {
		noun = c.one
	}
	return fmt.Sprintf("%d of %d %s: %s%s", len(names), len(statuses), noun, Reasons(names, statuses), c.advice)
}

// Reasons lists hosts with why they stand there; of many the names alone, of very many as many as there is room for.
func Reasons(names []string, statuses map[string]wire.Status) string {
	named := make([]string, len(names))
	length := 0
	for i, name := range names {
		named[i] = Reason(name, statuses[name])
		length += len(named[i]) + len(", ")
	}
	if length > reasonsLength {
		named = names
	}
	return bounded(named)
}

// bounded joins names, of very many as many as there is room for.
func bounded(names []string) string {
	length := 0
	for i, name := range names {
		if length += len(name) + len(", "); length > namesLength {
			return fmt.Sprintf("%s and %d more", strings.Join(names[:i], ", "), len(names)-i)
		}
	}
	return strings.Join(names, ", ")
}

// StateOf is the state of a host; that of a server that reports only a code follows from the code.
func StateOf(status wire.Status) wire.State {
	switch {
	case status.State != "":
		return status.State
	case status.Code == wire.CodeOK:
		return wire.StateOK
	case status.Code == wire.CodeEmpty:
		return wire.StateEmpty
	case status.Code == wire.CodeMissingData:
		return wire.StateNoData
	}
	return wire.StateError
}

// Missing says that a host's part is not, or not wholly, in the answer although it has one.
func Missing(status wire.Status) bool {
	switch StateOf(status) {
	case wire.StateError, wire.StateTimeout, wire.StateSkipped, wire.StatePartial:
		return true
	}
	return false
}

// Reason is the host's name and, in parentheses and on one line, why it stands in a notice or an error.
func Reason(name string, status wire.Status) string {
	reason := OneLine(status.Message)
	state := StateOf(status)
	switch {
	case state == wire.StateNoData || state == wire.StateOutsideCoverage:
		return name
	case reason == "" && status.Code != "" && state == wire.StateError:
		return fmt.Sprintf("%s (%s)", name, status.Code)
	case reason == "":
		return fmt.Sprintf("%s (%s)", name, state)
	}
	return fmt.Sprintf("%s (%s)", name, reason)
}

// OneLine folds white space and bounds the length of a text that came from a server, for a place of one line.
func OneLine(message string) string {
	line := strings.Join(strings.Fields(message), " ")
	if r := []rune(line); len(r) > reasonLength {
		return string(r[:reasonLength]) + "…"
	}
	return line
}

// truncation says what the limit cut off, unless the answer shows it as a remainder.
func truncation(summary *wire.Summary, groups bool) string {
	hits := summary.Hits
	if hits.Total <= hits.Displayed || summary.Other != nil {
		return ""
	}
	if groups {
		return "more series match than the limit lets through: the largest are shown"
	}
	bound := ""
	if hits.Bound {
		bound = "at most "
	}
	return fmt.Sprintf("the first %s of %s%s rows are shown", thousands(uint64(hits.Displayed)), bound, thousands(uint64(hits.Total)))
}

// thousands writes a number with its digits in groups of three.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
