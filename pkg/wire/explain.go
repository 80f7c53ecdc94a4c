package wire

import (
	"cmp"
	"slices"
	"strings"
)

// MaxExplainSteps is the greatest number of steps of an Explain.
const MaxExplainSteps = 1000

// Bound keeps the most expensive steps, at most MaxExplainSteps, in the order of hosts and sources, and counts the
// others. What is kept does not depend on the order in which steps came.
func (e *Explain) Bound() {
	if len(e.Steps) > MaxExplainSteps {
		slices.SortFunc(e.Steps, func(a, b ExplainStep) int {
			return cmp.Or(cmp.Compare(b.BytesRead, a.BytesRead), cmp.Compare(b.Rows, a.Rows), compareSteps(a, b))
		})
		e.Omitted += len(e.Steps) - MaxExplainSteps
		e.Steps = slices.Clip(e.Steps[:MaxExplainSteps])
	}
	slices.SortStableFunc(e.Steps, compareSteps)
}

func compareSteps(a, b ExplainStep) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Source, b.Source), strings.Compare(a.Method, b.Method),
		strings.Compare(a.Reason, b.Reason), cmp.Compare(a.Chunks, b.Chunks), cmp.Compare(a.ChunksRead, b.ChunksRead),
		cmp.Compare(a.DurationNanos, b.DurationNanos))
}

// explainMerger collects the steps of several answers in bounded memory.
type explainMerger struct{ sum Explain }

func (m *Merger) addExplain(e *Explain, host string) {
	if e == nil {
		return
	}
	if m.explain == nil {
		m.explain = &explainMerger{}
	}
	sum := &m.explain.sum
	sum.BytesRead += e.BytesRead
	sum.Omitted += e.Omitted
	for _, step := range e.Steps {
		if step.Host == "" {
			step.Host = host
		}
		if sum.Steps = append(sum.Steps, step); len(sum.Steps) >= 2*MaxExplainSteps {
			sum.Bound()
		}
	}
}

func (m *explainMerger) result() *Explain {
	result := m.sum
	result.Steps = slices.Clone(m.sum.Steps)
	if result.Steps == nil {
		result.Steps = []ExplainStep{}
	}
	result.Bound()
	return &result
}
