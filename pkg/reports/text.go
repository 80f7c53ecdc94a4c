package reports

import (
	"fmt"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// maxNamed bounds how many things a sentence names.
const maxNamed = 4

// pointsText names the first few points.
func pointsText(points []Point) string {
	var names []string
	for _, p := range points[:min(len(points), maxNamed)] {
		names = append(names, p.String())
	}
	text := strings.Join(names, ", ")
	if more := len(points) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// text is the answer in a sentence: what was accepted, what was blocked and where.
func (a *PathAnswer) text() string {
	if len(a.Services) == 0 {
		return fmt.Sprintf("nothing was seen between %s and %s; %s", a.A, a.B, a.Coverage.Text)
	}
	parts := []string{"accepted: no"}
	switch a.Verdict {
	case flow.VerdictAccepted.String():
		parts[0] = "accepted: yes," + a.named(flow.VerdictAccepted)
	case flow.VerdictNone.String():
		parts[0] = "no attempt was seen"
	}
	if text := a.named(flow.VerdictRejected); text != "" {
		parts = append(parts, "rejected:"+text)
	}
	if text := a.named(flow.VerdictUnanswered); text != "" {
		parts = append(parts, "unanswered, which is usually a filter:"+text)
	}
	if text := a.named(flow.VerdictNone); text != "" {
		parts = append(parts, "traffic without a new attempt:"+text)
	}
	if len(a.OneSided) > 0 {
		parts = append(parts, plural(len(a.OneSided), "one-sided view"))
	}
	return strings.Join(parts, "; ")
}

// named lists the first few services of a verdict, and where the attempts were seen.
func (a *PathAnswer) named(verdict flow.Verdict) string {
	var names []string
	more := 0
	for i := range a.Services {
		s := &a.Services[i]
		if s.Verdict != verdict.String() {
			continue
		}
		if len(names) == maxNamed {
			more++
			continue
		}
		name := fmt.Sprintf(" %s by %s", s.Text, a.end(s.Initiator))
		if blocked := verdict == flow.VerdictRejected || verdict == flow.VerdictUnanswered; blocked {
			name += fmt.Sprintf(" at %s", pointsText(s.Points))
		}
		if s.Attempts > 0 {
			name += fmt.Sprintf(" (%s)", s.outcomes())
		}
		names = append(names, name)
	}
	text := strings.Join(names, ",")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (a *PathAnswer) end(initiator string) string {
	switch initiator {
	case initiatorA:
		return a.A
	case initiatorB:
		return a.B
	}
	return "either"
}

// outcomes is such as "3 of 5 attempts accepted, 2 unanswered".
func (o *Outcome) outcomes() string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{{o.Accepted, "accepted"}, {o.Rejected, "rejected"}, {o.Unanswered, "unanswered"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return fmt.Sprintf("%s: %s", plural(int(o.Attempts), "attempt"), strings.Join(parts, ", "))
}
