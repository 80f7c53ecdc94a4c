package frames

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// reasonLength bounds a host's own words in a notice, in characters.
const reasonLength = 200

// complaint is a class of host states that a viewer has to know of.
type complaint struct {
	states []wire.State
	one    string // "1 of 3 hosts ..."
	many   string
}

// complaints are ordered from the worst.
var complaints = []complaint{
	{[]wire.State{wire.StateError, wire.StateTimeout}, "host did not answer", "hosts did not answer"},
	{[]wire.State{wire.StateSkipped}, "host was not asked", "hosts were not asked"},
	{[]wire.State{wire.StatePartial}, "host answered in part", "hosts answered in part"},
	{[]wire.State{wire.StateNoData, wire.StateOutsideCoverage}, "host has no data in this range", "hosts have no data in this range"},
}

// Notices says what a viewer of the answer has to know: at most one warning (hosts that failed, worst first, each
// named with its reason; damage; packets that capture lost) and at most one information (rows the limit cut off),
// because a panel shows one notice per severity. Both are single lines. Groups says that the limit counts series.
func Notices(result *wire.Result, groups bool) []data.Notice {
	var notices []data.Notice
	if warning := warning(result); warning != "" {
		notices = append(notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: warning})
	}
	if info := truncation(&result.Summary, groups); info != "" {
		notices = append(notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: info})
	}
	return notices
}

func warning(result *wire.Result) string {
	var parts []string
	for _, c := range complaints {
		if names := c.hosts(result.HostsStatuses); len(names) > 0 {
			parts = append(parts, c.text(names, result.HostsStatuses))
		}
	}
	if n := result.Summary.Stats.BlocksCorrupted; n > 0 {
		parts = append(parts, fmt.Sprintf("%s stored blocks are damaged and not part of this answer", thousands(n)))
	}
	if a := result.Summary.Accounting; a != nil && a.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("capture lost %s of %s packets in this range",
			thousands(a.Dropped), thousands(a.Received+a.Dropped)))
	}
	return strings.Join(parts, "; ")
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
	named := make([]string, len(names))
	for i, name := range names {
		named[i] = Reason(name, statuses[name])
	}
	return fmt.Sprintf("%d of %d %s: %s", len(names), len(statuses), noun, strings.Join(named, ", "))
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
