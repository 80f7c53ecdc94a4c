package plugin

import (
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// partial makes frames of partial answers for whoever watches; nil: nobody does.
func (q *question) partial(shown func(*wire.Result) *answer) func(*wire.Result) {
	if q.show == nil {
		return nil
	}
	return func(result *wire.Result) {
		a := shown(result)
		done := 0
		for _, status := range result.HostsStatuses {
			if frames.StateOf(status) != wire.StateSkipped {
				done++
			}
		}
		q.describe(a, done, len(result.HostsStatuses))
		q.show(a.frames)
	}
}
