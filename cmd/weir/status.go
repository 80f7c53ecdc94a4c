package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/render"
)

// statusVerb is one run of weir status.
type statusVerb struct {
	app        *app
	connection connection
	server     string
	format     string
	watch      time.Duration // between two looks, 0: one look
	before     *status       // what was seen last, at
	at         time.Time
}

func (a *app) statusCommand() *cobra.Command {
	v := &statusVerb{app: a}
	command := &cobra.Command{
		Use:   "status [--server ADDR] [flags] [IFACE...]",
		Short: "Show what a probe captures, or how a gateway's hosts do",
		Long: `Show what a probe captures: by interface the packets received, counted in flows and dropped since its
start, how full the capture ring is, flows in memory, and what is stored. Of a gateway it shows the hosts: how often
each answered and failed, and whether it is asked now. With --watch it is refreshed in place, and says how many
packets come and are dropped per second; the key q ends it. Without --server the probe of this machine is asked.`,
		Example: `  weir status
  weir status --watch eth0
  weir status --server probe-a:8145 --watch=500ms`,
		RunE: func(command *cobra.Command, arguments []string) error { return v.run(command.Context(), arguments) },
	}
	command.Flags().StringVar(&v.server, "server", "", "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path")
	command.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt, or json as the server sends it")
	command.Flags().DurationVarP(&v.watch, "watch", "w", 0, "refresh the picture every `DURATION`, 2s if none is given")
	command.Flags().Lookup("watch").NoOptDefVal = topEvery.String()
	v.connection.register(command.Flags())
	completes(command, nil, map[string]completer{"format": words("txt", "json")})
	command.ValidArgsFunction = func(c *cobra.Command, arguments []string, text string) ([]string, cobra.ShellCompDirective) {
		p := place{}
		if v.server != "" {
			p.servers = []string{v.server}
		}
		names := a.known(p, &v.connection).Interfaces
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(arguments, name) })
		return words(names...)(c, arguments, text)
	}
	return command
}

func (v *statusVerb) run(ctx context.Context, interfaces []string) error {
	if v.format != "txt" && v.format != "json" {
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt or json", v.format), "")
	}
	if v.watch != 0 && (v.watch < leastWatch || v.format != "txt") {
		return usage(fmt.Sprintf("--watch %s: expected %s or more, and no other format than txt", v.watch, leastWatch), "")
	}
	if err := v.connection.check(true); err != nil {
		return err
	}
	server, err := v.app.dialOrLocal(&v.connection, v.server)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // closes idle connections
	raw, err := v.ask(ctx, server, interfaces)
	if err != nil {
		return err
	}
	if v.format == "json" {
		var line bytes.Buffer
		if err := json.Compact(&line, raw); err != nil {
			return failure(fmt.Errorf("%s: the status is no JSON: %w", server.Address(), err), "")
		}
		line.WriteByte('\n')
		_, err := render.InertJSON(v.app.stdout).Write(line.Bytes())
		return err
	}
	picture, err := v.text(ctx, server, raw, interfaces)
	if err != nil {
		return err
	}
	if v.watch == 0 || v.app.columns(v.app.stdout) == 0 {
		_, err := v.app.stdout.Write([]byte(picture))
		return err
	}
	w := &watcher{app: v.app, every: v.watch, picture: picture, title: func() string { return "weir status" }, help: "q quits",
		ask: func(ctx context.Context) (string, error) {
			raw, err := v.ask(ctx, server, interfaces)
			if err != nil {
				return "", err
			}
			return v.text(ctx, server, raw, interfaces)
		}}
	return w.run(ctx)
}

// leastWatch is how often a probe may be asked.
const leastWatch = 100 * time.Millisecond

func (v *statusVerb) ask(ctx context.Context, server *client.Client, interfaces []string) (json.RawMessage, error) {
	raw, err := server.Status(ctx, interfaces...)
	if err == nil && len(raw) == 0 {
		return nil, failure(fmt.Errorf("%s: nothing is captured%s", server.Address(), on(interfaces)), "weir status lists the interfaces that are")
	}
	return raw, err
}

func on(interfaces []string) string {
	if len(interfaces) == 0 {
		return ""
	}
	return " on " + strings.Join(interfaces, ", ")
}

// status is what is shown of GET /status: goProbe's members, and those that our probe adds.
type status struct {
	StartedAt     time.Time                  `json:"started_at"`
	LastWriteout  time.Time                  `json:"last_writeout"`
	Statuses      map[string]interfaceStatus `json:"statuses"`
	Host          string                     `json:"host"`
	StoreFailures uint64                     `json:"store_failures"`
}

type interfaceStatus struct {
	StartedAt     time.Time `json:"started_at"`
	Received      uint64    `json:"received_total"`
	Processed     uint64    `json:"processed_total"`
	Dropped       uint64    `json:"dropped_total"`
	ParsingErrors []uint64  `json:"parsing_errors"` // goProbe: fragmented, invalid header, truncated

	Capturing       *bool             `json:"capturing"` // nil: the server does not say
	Reason          string            `json:"reason"`    // why not
	Issues          map[string]uint64 `json:"issues"`    // packets in no flow, by reason
	Flows           *uint64           `json:"flows"`
	Memory          *uint64           `json:"memory_bytes"` // of the flow table
	RingFill        *float64          `json:"ring_fill"`    // 0 to 1
	Frozen          uint64            `json:"ring_frozen_total"`
	Workers         uint64            `json:"workers"`
	Unassigned      uint64            `json:"unassigned_total"`
	Folded          uint64            `json:"folded_total"`
	Waiting         uint64            `json:"waiting_intervals"`
	StoreError      string            `json:"store_error"`
	CheckpointError string            `json:"checkpoint_error"`
	First           time.Time         `json:"first"` // of what is stored
	Last            time.Time         `json:"last"`
}

// issues is the number of packets that are in no flow.
func (s *interfaceStatus) issues() (sum uint64) {
	for _, n := range s.Issues {
		sum += n
	}
	if s.Issues == nil {
		for _, n := range s.ParsingErrors {
			sum += n
		}
	}
	return sum
}

// text is the status as a table, and below it what is wrong.
func (v *statusVerb) text(ctx context.Context, server *client.Client, raw json.RawMessage, interfaces []string) (string, error) {
	if isGateway(raw) {
		return v.gatewayText(server, raw, interfaces)
	}
	var s status
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", failure(fmt.Errorf("%s: the status is not what the API says: %w", server.Address(), err), "is this the address of a probe?")
	}
	var out strings.Builder
	out.WriteString(v.headline(ctx, server, &s))
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	rates := v.rates(&s)
	fmt.Fprint(table, "iface\treceived\t"+heading(rates, "packets/s\t")+"processed\tdropped\t"+heading(rates, "drops/s\t")+
		"ring\tin no flow\tflows\tmemory\tactive for\tstored\t\n")
	var remarks []string
	for _, name := range slices.Sorted(maps.Keys(s.Statuses)) {
		i := s.Statuses[name]
		rate := rates[name]
		fmt.Fprintf(table, "%s\t%s\t%s%s\t%s\t%s%s\t%s\t%s\t%s\t%s\t%s\t\n", render.Safe(name), render.Count(i.Received),
			heading(rates, rate.packets+"\t"), render.Count(i.Processed), render.Count(i.Dropped), heading(rates, rate.drops+"\t"),
			percent(i.RingFill), render.Count(i.issues()), optional(i.Flows), size(i.Memory), v.since(i.StartedAt), v.stored(&i))
		for _, remark := range i.remarks() {
			remarks = append(remarks, fmt.Sprintf("%s: %s\n", render.Safe(name), remark))
		}
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	if len(remarks) > 0 {
		out.WriteString("\n" + strings.Join(remarks, ""))
	}
	return trimLines(out.String()), nil
}

// rate is what an interface received and dropped per second since the last look.
type rate struct{ packets, drops string }

// rates compares with the last look, and takes this one for the next; nil where there is no last one and none to come.
func (v *statusVerb) rates(s *status) map[string]rate {
	if v.watch == 0 {
		return nil
	}
	now, rates := v.app.now(), map[string]rate{}
	seconds := now.Sub(v.at).Seconds()
	for name, i := range s.Statuses {
		rates[name] = rate{"-", "-"}
		if v.before == nil || seconds <= 0 {
			continue
		}
		last, known := v.before.Statuses[name]
		if known && i.Received >= last.Received && i.Dropped >= last.Dropped { // else it has started anew
			rates[name] = rate{perSecond(i.Received-last.Received, seconds), perSecond(i.Dropped-last.Dropped, seconds)}
		}
	}
	v.before, v.at = s, now
	return rates
}

func perSecond(n uint64, seconds float64) string {
	return render.Count(uint64(math.Round(float64(n) / seconds)))
}

// heading is the text where there are rates.
func heading(rates map[string]rate, text string) string {
	if rates == nil {
		return ""
	}
	return text
}

func percent(part *float64) string {
	if part == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100**part)
}

func size(bytes *uint64) string {
	if bytes == nil {
		return "-"
	}
	return render.Size(*bytes)
}

// headline says who answers, since when it runs and when it last wrote.
func (v *statusVerb) headline(ctx context.Context, server *client.Client, s *status) string {
	var b strings.Builder
	if info, err := server.Info(ctx); err == nil {
		fmt.Fprintf(&b, "%s %s", render.Line(info.Name), render.Line(info.Version))
		if s.Host != "" {
			fmt.Fprintf(&b, " on %s", render.Line(s.Host))
		}
		b.WriteString(" at ")
	}
	fmt.Fprintf(&b, "%s\n", server.Address())
	if !s.StartedAt.IsZero() {
		fmt.Fprintf(&b, "running since %s (%s)\n", v.clock(s.StartedAt), v.since(s.StartedAt))
	}
	if s.LastWriteout.IsZero() {
		b.WriteString("nothing written yet\n")
	} else {
		fmt.Fprintf(&b, "last written  %s (%s ago)\n", v.clock(s.LastWriteout), v.since(s.LastWriteout))
	}
	if s.StoreFailures > 0 {
		fmt.Fprintf(&b, "%s writes to the store failed\n", render.Count(s.StoreFailures))
	}
	b.WriteByte('\n')
	return b.String()
}

// remarks are what the table has no place for: what is wrong, and why packets are in no flow. Each is one line.
func (s *interfaceStatus) remarks() (list []string) {
	say := func(condition bool, format string, arguments ...any) {
		if condition {
			list = append(list, fmt.Sprintf(format, arguments...))
		}
	}
	say(s.Capturing != nil && !*s.Capturing, "not captured now: %s", render.Line(orDash(s.Reason)))
	say(s.StoreError != "", "the store does not take what was counted: %s", render.Line(s.StoreError))
	say(s.Waiting > 1, "%d intervals wait to be written", s.Waiting)
	say(s.CheckpointError != "", "no checkpoint: %s", render.Line(s.CheckpointError))
	say(s.Frozen > 0, "the capture ring was full %s times", render.Count(s.Frozen))
	say(s.Workers > 1, "%d workers share its packets", s.Workers)
	say(s.Unassigned > 0, "%s packets were counted by another worker than theirs, because that had no room", render.Count(s.Unassigned))
	say(s.Folded > 0, "%s packets were folded together, because the table of flows was full", render.Count(s.Folded))
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(s.Issues)) {
		if n := s.Issues[reason]; n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s %s", render.Count(n), strings.ReplaceAll(render.Line(reason), "_", " ")))
		}
	}
	say(len(reasons) > 0, "packets in no flow: %s", strings.Join(reasons, ", "))
	return list
}

func (v *statusVerb) stored(i *interfaceStatus) string {
	if i.First.IsZero() || i.Last.IsZero() {
		return "-"
	}
	return v.clock(i.First) + " to " + v.clock(i.Last)
}

func (v *statusVerb) clock(t time.Time) string {
	return t.In(v.app.now().Location()).Format("2006-01-02 15:04:05")
}

func (v *statusVerb) since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return render.Duration(max(v.app.now().Sub(t), 0).Truncate(time.Second))
}

func optional(n *uint64) string {
	if n == nil {
		return "-"
	}
	return render.Count(*n)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// trimLines removes the blanks that padding leaves at the ends of lines.
func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
