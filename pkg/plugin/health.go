package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// healthTimeout bounds the check of a server; whoever presses "Save & test" waits for it.
const healthTimeout = 10 * time.Second

// skewLimit is how far a server's clock may differ from ours before that is worth a word.
const skewLimit = 10 * time.Second

// checkup is what the check of one server found.
type checkup struct {
	name   string
	fault  string // empty: it answers
	remedy string
	facts  string // who it is, where it answers
	kind   string // what it is, if it is no probe of ours
	behind string // what is wrong behind a gateway
	skew   time.Duration
}

// CheckHealth asks every server who it is and what it has, and says of each what is wrong and what helps. It never
// returns an error: Grafana would show nothing of it.
func (d *DataSource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, min(d.settings.Timeout, healthTimeout))
	defer cancel()
	d.discovery.wait(ctx)
	servers := d.roster.list()
	checks := make([]checkup, len(servers))
	var wait sync.WaitGroup
	for i, s := range servers {
		wait.Go(func() { checks[i] = check(ctx, s, d.now) })
	}
	wait.Wait()
	return report(d.problems(servers), checks), nil
}

// problems are those that belong to no server.
func (d *DataSource) problems(servers []server) []error {
	list := slices.Clone(d.settings.Problems)
	for _, fault := range d.discovery.health() {
		list = append(list, errors.New(fault))
	}
	if len(list) == 0 && len(servers) == 0 {
		list = append(list, d.nobody())
	}
	return list
}

// check asks one server. Info needs no token, so the catalog has to be asked as well.
func check(ctx context.Context, s server, now func() time.Time) checkup {
	c := checkup{name: s.Name}
	info, err := s.client.Info(ctx)
	var catalog *wire.Catalog
	if err == nil {
		catalog, err = s.client.Catalog(ctx)
	}
	if err != nil {
		c.fault, c.remedy = diagnose(err)
		return c
	}
	c.facts = fmt.Sprintf("%s %s on %s, %s, interval %s",
		info.Name, info.Version, catalog.Host, count(len(catalog.Interfaces), "interface"), catalog.Interval)
	c.kind, c.behind = kindOf(info.Kind, catalog), behindGateway(catalog)
	if !catalog.Now.IsZero() {
		c.skew = catalog.Now.Sub(now()).Round(time.Second)
	}
	return c
}

// kindOf is what a server turned out to be; nothing for a probe, which is what most are.
func kindOf(kind client.ServerKind, catalog *wire.Catalog) string {
	switch kind {
	case client.ServerGateway:
		return "a gateway of " + count(len(catalog.Hosts), "host")
	case client.ServerGoProbe:
		return "a goProbe sensor"
	case client.ServerGlobalQuery:
		return "goProbe's global-query"
	}
	return ""
}

// behindGateway names the hosts behind a gateway that did not answer it; empty if all did.
func behindGateway(catalog *wire.Catalog) string {
	failing := make(map[string]wire.Status)
	for _, h := range catalog.Hosts {
		if h.State == wire.StateError || h.State == wire.StateTimeout || h.State == wire.StateSkipped {
			failing[h.Name] = wire.Status{State: h.State, Message: h.Error}
		}
	}
	if len(failing) == 0 {
		return ""
	}
	names := slices.Sorted(maps.Keys(failing))
	return fmt.Sprintf("%d of %d hosts behind it do not answer: %s", len(names), len(catalog.Hosts), frames.Reasons(names, failing))
}

// diagnose says what went wrong and what helps.
func diagnose(err error) (fault, remedy string) {
	var e *client.Error
	if !errors.As(err, &e) {
		return frames.OneLine(err.Error()), ""
	}
	remedy = e.Hint
	if remedy == "" {
		remedy = map[client.Kind]string{
			client.KindUnreachable: "check the host name and that this Grafana's network reaches it",
			client.KindRefused:     "check that the probe runs and that its configuration listens on this address and port",
			client.KindTimeout:     "check that no firewall is in the way, or raise the timeout",
			client.KindTLS:         "check http against https, the CA certificate and the server name",
			client.KindAuth:        "check the token, and that the server grants it the role query",
			client.KindProtocol:    "check that the URL is that of a probe or gateway, without a path",
		}[e.Kind]
	}
	return frames.OneLine(e.Text), frames.OneLine(remedy)
}

// report sums the checks up: one line, and the list of all servers for the details.
func report(problems []error, checks []checkup) *backend.CheckHealthResult {
	var faults, list, hints []string
	for _, p := range problems {
		faults = append(faults, frames.OneLine(p.Error()))
		list = append(list, "settings: "+frames.OneLine(p.Error()))
	}
	bad := 0
	for _, c := range checks {
		if c.fault != "" {
			bad++
			faults = append(faults, fmt.Sprintf("%s: %s", c.name, c.fault))
			list = append(list, c.line())
		}
	}
	for _, c := range checks {
		if c.fault == "" {
			list = append(list, c.line())
			if c.skew.Abs() > skewLimit {
				hints = append(hints, fmt.Sprintf("%s: %s", c.name, c.clock()))
			}
			if c.behind != "" {
				hints = append(hints, fmt.Sprintf("%s: %s", c.name, c.behind))
			}
		}
	}
	if len(faults) == 0 {
		verb := "answer"
		if len(checks) == 1 {
			verb = "answers"
		}
		message := fmt.Sprintf("%s %s: %s", count(len(checks), "server"), verb, names(checks))
		if len(hints) > 0 {
			message += "; " + strings.Join(hints, "; ")
		}
		return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: clipped(message)}
	}
	summary := fmt.Sprintf("%d of %d servers answer", len(checks)-bad, len(checks))
	details, err := json.Marshal(map[string]string{"message": summary, "verboseMessage": strings.Join(list, "\n")})
	if err != nil {
		details = nil // texts always marshal
	}
	return &backend.CheckHealthResult{
		Status: backend.HealthStatusError, Message: clipped(strings.Join(faults, "; ")), JSONDetails: details,
	}
}

// messageLength bounds the one line of a health check, in characters; the details have all.
const messageLength = 1500

func clipped(message string) string {
	if text := []rune(message); len(text) > messageLength {
		return string(text[:messageLength]) + "… (the details name all)"
	}
	return message
}

// count is "1 server" or "3 servers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// line is the server's line in the details.
func (c checkup) line() string {
	switch {
	case c.fault != "" && c.remedy != "":
		return fmt.Sprintf("%s: %s (%s)", c.name, c.fault, c.remedy)
	case c.fault != "":
		return fmt.Sprintf("%s: %s", c.name, c.fault)
	}
	line := fmt.Sprintf("%s: ok, %s", c.name, c.facts)
	if c.behind != "" {
		line += "; " + c.behind
	}
	if c.skew.Abs() > skewLimit {
		line += "; " + c.clock()
	}
	return line
}

func (c checkup) clock() string {
	way := "ahead of"
	if c.skew < 0 {
		way = "behind"
	}
	return fmt.Sprintf("its clock is %s %s this machine's", c.skew.Abs(), way)
}

func names(checks []checkup) string {
	list := make([]string, len(checks))
	for i, c := range checks {
		if list[i] = c.name; c.kind != "" {
			list[i] += " (" + c.kind + ")"
		}
	}
	return strings.Join(list, ", ")
}
