package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/render"
)

// isGateway says whether a status is a gateway's; a probe does not say its kind.
func isGateway(raw json.RawMessage) bool {
	var s struct {
		Kind string `json:"kind"`
	}
	return json.Unmarshal(raw, &s) == nil && s.Kind == "gateway"
}

// gatewayText is the status of a gateway: how its hosts did, and below it what is wrong.
func (v *statusVerb) gatewayText(server *client.Client, raw json.RawMessage, interfaces []string) (string, error) {
	if len(interfaces) > 0 {
		return "", usage(fmt.Sprintf("%s is a gateway, which captures nothing%s", server.Address(), on(interfaces)), "leave the interfaces out, or ask a probe: weir hosts lists them")
	}
	var s gateway.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", failure(fmt.Errorf("%s: the status is not what the API says: %w", server.Address(), err), "")
	}
	var out strings.Builder
	fmt.Fprintf(&out, "weir-gateway %s at %s\n", render.Line(s.Version), server.Address())
	fmt.Fprintf(&out, "running since %s (%s)\n", v.clock(s.StartedAt), v.since(s.StartedAt))
	fmt.Fprintf(&out, "configuration of %s\n\n", v.clock(s.Configuration.Taken))
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "host\taddress\tanswers\tfailures\tasked\n")
	for i := range s.Hosts {
		h := &s.Hosts[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", render.Line(h.Name), render.Line(h.Address), render.Count(h.Answers), failures(h), asked(h))
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	if remarks := gatewayRemarks(&s); len(remarks) > 0 {
		out.WriteString("\n" + strings.Join(remarks, "\n") + "\n")
	}
	return trimLines(out.String()), nil
}

// failures are those of a host, by class where there are any.
func failures(h *gateway.HostStatus) string {
	var list []string
	for class, n := range h.Failures {
		if n > 0 {
			list = append(list, fmt.Sprintf("%s %s", render.Count(n), render.Line(string(class))))
		}
	}
	slices.Sort(list)
	return cmp.Or(strings.Join(list, ", "), "0")
}

// asked says whether the next query asks the host.
func asked(h *gateway.HostStatus) string {
	switch {
	case h.Breaker.State == "open":
		return "not for " + render.Duration(h.Breaker.Left) + ": " + render.Line(cmp.Or(h.Breaker.Reason, string(h.Breaker.Class)))
	case h.Breaker.Failures > 0:
		return "yes, after: " + render.Line(cmp.Or(h.Breaker.Reason, string(h.Breaker.Class)))
	}
	return "yes"
}

// gatewayRemarks are what the table has no place for, each one line.
func gatewayRemarks(s *gateway.Status) (list []string) {
	if s.Configuration.Error != "" {
		list = append(list, "the configuration that is there now was not taken: "+render.Line(s.Configuration.Error))
	}
	for _, source := range s.Sources {
		if source.Error != "" {
			list = append(list, fmt.Sprintf("hosts of %s: %s", render.Line(source.Source), render.Line(source.Error)))
		}
		for _, fault := range source.Faults {
			list = append(list, fmt.Sprintf("hosts of %s: %s", render.Line(source.Source), render.Line(fault)))
		}
		if more := source.FaultCount - len(source.Faults); more > 0 {
			list = append(list, fmt.Sprintf("hosts of %s: %d more are left out", render.Line(source.Source), more))
		}
	}
	for _, l := range s.Lists {
		if l.FaultCount > 0 {
			list = append(list, fmt.Sprintf("list %s: %d of %d lines could not be read", render.Line(cmp.Or(l.Name, l.Hash)), l.FaultCount, l.Lines))
		}
	}
	return list
}
