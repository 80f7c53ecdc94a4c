package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// dataVersion identifies all that the answer to a question depends on: it is another one whenever the answer may be.
// Empty: that cannot be said. It costs a look at the directories of the interfaces.
func (a *Agent) dataVersion(q *wire.Query) string {
	if q.Live || q.Explain || namesList(q) {
		return "" // not of the store alone
	}
	known, err := a.store.Interfaces()
	if err != nil {
		return ""
	}
	slices.Sort(known)
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q\n", version.String(), a.host, a.hostID, known)
	for _, key := range slices.Sorted(maps.Keys(a.cfg.Host.Labels)) {
		fmt.Fprintf(h, "%q=%q\n", key, a.cfg.Host.Labels[key])
	}
	for _, iface := range q.Interfaces.Select(known) {
		for _, span := range [][2]int64{{q.First, q.Last}, {q.CompareFirst, q.CompareLast}} {
			if span[1] == 0 {
				continue
			}
			v, err := a.store.DataVersion(iface, span[0], span[1])
			if err != nil {
				return ""
			}
			fmt.Fprintf(h, "%q %s\n", iface, v)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// namesList says that the question refers to a list of addresses, which may be replaced.
func namesList(q *wire.Query) bool {
	return q.Request.Actors != nil && q.Request.Actors.List != "" || strings.Contains(q.Condition.String(), "@")
}

// unchanged is the answer to an asker who has the answer already.
func (a *Agent) unchanged(q *wire.Query, version string) *wire.Result {
	status := wire.Status{Code: wire.CodeOK, State: wire.StateOK, HostID: a.hostID}
	return &wire.Result{
		Hostname: a.host, Status: status, HostsStatuses: map[string]wire.Status{a.host: status}, Query: q.Echo(), Rows: []wire.Row{}, Unchanged: true,
		Summary: wire.Summary{Interfaces: []string{}, DataVersion: version, Timings: wire.Timings{QueryStart: a.deps.Now()}},
	}
}
