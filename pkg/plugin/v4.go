package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/flow"
)

// olderServers says what the goProbe v4 servers among those that are asked cannot tell, as far as the query is about
// it; empty where there are none. What they refuse is an error of theirs.
func (q *question) olderServers() string {
	var names []string
	for _, h := range q.source.catalogs.last() {
		older := h.Catalog != nil && !client.ServerKind(h.Catalog.Kind).Extended()
		if older && slices.ContainsFunc(q.servers, func(s server) bool { return s.Name == h.Name }) {
			names = append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	missing := []string{"connection attempts", "round-trip times"}
	for _, c := range q.columns {
		if c.Field.Type == flow.TypePort {
			missing = append(missing, "ICMP types")
		}
	}
	return fmt.Sprintf("goProbe servers tell no %s: %s", strings.Join(missing, " and no "), strings.Join(names, ", "))
}
