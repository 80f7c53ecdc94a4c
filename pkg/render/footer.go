package render

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// footer says what the table is about: span, interfaces, hosts, order, condition, cost, and what is missing.
func (v View) footer(w *bufio.Writer, r *wire.Result) {
	line := func(name, format string, arguments ...any) {
		fmt.Fprintf(w, "%-11s : %s\n", name, fmt.Sprintf(format, arguments...))
	}
	first, last := r.Summary.TimeFirst, r.Summary.TimeLast
	switch {
	case first.IsZero() || last.IsZero():
	case last.Unix() >= wire.EndOfTime:
		line("Time span", "since %s %s", moment(first, v.Zone), first.In(v.Zone).Format("MST"))
	default:
		line("Time span", "%s to %s %s (%s)", moment(first, v.Zone), moment(last, v.Zone),
			last.In(v.Zone).Format("MST"), duration(last.Sub(first)))
	}
	if names := interfaces(r); len(names) > 0 {
		line("Interfaces", "%s", clipped(names))
	}
	if v.Hosts {
		v.hosts(r, line)
	}
	line("Sorted by", "%s", v.order())
	if r.Query.Condition != "" {
		line("Condition", "%s", Safe(r.Query.Condition))
	}
	for _, text := range lookups(r) {
		line("Looked up", "%s", text)
	}
	if q := v.Query; q.Compares() {
		line("Compared", "with %s to %s", moment(time.Unix(q.CompareFirst, 0), v.Zone), moment(time.Unix(q.CompareLast, 0), v.Zone))
	}
	line("Rows", "%s in %s", hits(r), duration(r.Summary.Timings.Duration))
	if asked := v.Query.Named(r); len(asked) > 0 {
		found := 0
		for _, a := range asked {
			if r.Summary.Names[a] != "" {
				found++
			}
		}
		line("Names", "%d of %d addresses, in %s", found, len(asked), duration(r.Summary.Timings.Resolution))
	}
	if v.Stats {
		line("Read", "%s", cost(r.Summary.Stats))
	}
	if text := capture(r.Summary.Accounting); text != "" {
		line("Capture", "%s", text)
	}
	if text := folded(r.Summary.Folded); text != "" {
		line("Folded", "%s", text)
	}
	for _, text := range damage(r) {
		line("Missing", "%s", text)
	}
	if said := v.Hosts && len(failures(r)) > 0; len(r.Rows) > 0 && r.Status.Message != "" && !said {
		line("Note", "%s", Line(r.Status.Message))
	}
	if r.Summary.TraceID != "" {
		line("Trace ID", "%s", Line(r.Summary.TraceID))
	}
	explain(w, r.Summary.Explain)
}

// lookups are the addresses that stand in the condition for names, a line for each name.
func lookups(r *wire.Result) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(r.Query.Lookups)) {
		var texts []string
		for _, a := range r.Query.Lookups[name] {
			texts = append(texts, Safe(a.String()))
		}
		lines = append(lines, Line(name)+" = "+clipped(texts))
	}
	return lines
}

// cost is what the query took from the disk.
func cost(s wire.Stats) string {
	return fmt.Sprintf("%s, %s unpacked; blocks: %s, directories: %s, workloads: %s", inBytes(s.BytesLoaded), inBytes(s.BytesDecompressed),
		count(s.BlocksProcessed), count(s.DirectoriesProcessed), count(s.Workloads))
}

// inBytes is a size whose unit is always there.
func inBytes(n uint64) string {
	q := size(n)
	if q.unit == "" {
		q.unit = "B"
	}
	return q.String()
}

// folded says what has no addresses, empty if nothing.
func folded(f *wire.Folded) string {
	if f == nil || f.Packets == 0 {
		return ""
	}
	return fmt.Sprintf("%s packets (%s) of %s intervals have no addresses: a flow table was full, so that flows may be missing here",
		count(f.Packets), inBytes(f.Bytes), count(f.Intervals))
}

// hosts counts the hosts and names those that are not part of the answer, each on a line of its own.
func (v View) hosts(r *wire.Result, line func(name, format string, arguments ...any)) {
	if len(r.HostsStatuses) == 0 {
		return
	}
	failed := failures(r)
	text := fmt.Sprintf("%d asked, %d answered", len(r.HostsStatuses), len(r.HostsStatuses)-len(failed))
	if names := slices.Sorted(maps.Keys(r.HostsStatuses)); len(names) == 1 && len(failed) == 0 {
		text = Safe(names[0])
	}
	line("Hosts", "%s", text)
	for _, host := range failed {
		line("", "%s", host)
	}
}

// Warnings says what a reader of the figures must know and does not see in them: hosts that did not answer, damage in
// the store, and packets that capture lost. Each is one harmless line.
func Warnings(r *wire.Result) []string {
	var warnings []string
	if failed := failures(r); len(failed) > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d hosts did not answer: %s", len(failed), len(r.HostsStatuses), strings.Join(failed, "; ")))
	}
	warnings = append(warnings, damage(r)...)
	if a := r.Summary.Accounting; a != nil && a.Dropped > 0 {
		warnings = append(warnings, "capture: "+capture(a))
	}
	if text := folded(r.Summary.Folded); text != "" {
		warnings = append(warnings, text)
	}
	return warnings
}

// failures names the hosts that did not do their part, with the reason, in the order of their names.
func failures(r *wire.Result) []string {
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(r.HostsStatuses)) {
		s := r.HostsStatuses[name]
		if !Failed(s) {
			continue
		}
		reason := Line(s.Message)
		if reason == "" {
			reason = Line(orElse(string(s.State), string(s.Code)))
		}
		failed = append(failed, Safe(name)+": "+reason)
	}
	return failed
}

// Failed says that a host is not part of the answer. Servers that report no state are judged by the code.
func Failed(s wire.Status) bool {
	switch s.State {
	case wire.StateError, wire.StateTimeout, wire.StateSkipped:
		return true
	case "":
		return s.Code != wire.CodeOK && s.Code != wire.CodeEmpty && s.Code != wire.CodeMissingData
	}
	return false
}

func hits(r *wire.Result) string {
	h := r.Summary.Hits
	total := count(uint64(max(h.Total, 0))).String()
	if h.Bound {
		total = "at most " + total
	}
	if h.Displayed >= h.Total {
		return total
	}
	return fmt.Sprintf("%s of %s", count(uint64(max(h.Displayed, 0))), total)
}

// capture says what capture lost, empty if nothing.
func capture(a *wire.Accounting) string {
	if a == nil {
		return ""
	}
	var parts []string
	if a.Dropped > 0 {
		total := a.Received + a.Dropped
		parts = append(parts, fmt.Sprintf("%s of %s packets lost (%s %%)", count(a.Dropped), count(total), share(a.Dropped, total)))
	}
	for _, reason := range slices.Sorted(maps.Keys(a.Issues)) {
		if n := a.Issues[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(n), Safe(strings.ReplaceAll(reason, "_", " "))))
		}
	}
	if a.Dropped == 0 && len(parts) > 0 {
		return "no packets lost; not counted as flows: " + strings.Join(parts, ", ")
	}
	if len(parts) > 1 {
		return parts[0] + "; not counted as flows: " + strings.Join(parts[1:], ", ")
	}
	return strings.Join(parts, "")
}

func damage(r *wire.Result) []string {
	switch n := r.Summary.Stats.BlocksCorrupted; n {
	case 0:
		return nil
	case 1:
		return []string{"a damaged block of the store is not part of this answer"}
	default:
		return []string{fmt.Sprintf("%s damaged blocks of the store are not part of this answer", count(n))}
	}
}

// clipped lists names, the first of them if there are many.
func clipped(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
