package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/demo/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

const (
	// warmUp bounds the wait until every probe has seen something.
	warmUp = 2 * time.Minute
	// worthwhile is how much time the answers should cover.
	worthwhile = 8 * time.Second
)

// question is one of those that Weir is for.
type question struct {
	text string
	args []string
}

func questions(f *fleet.Fleet) []question {
	p := f.Plan()
	pair := fmt.Sprintf("(sip = %s | sip = %s) & (dip = %s | dip = %s)", p.Workstation.IPv4, p.Workstation.IPv6, p.Services.IPv4, p.Services.IPv6)
	return []question{
		{fmt.Sprintf("Did %s access %s? Who saw it, when, how much?", p.Workstation.Name, p.Services.Name),
			[]string{"-i", "any", "-f", "-1h", "-c", pair, "host,sip,dip,dport,proto"}},
		{"Who are the bandwidth hogs?",
			[]string{"-i", "any", "-f", "-1h", "-n", "5", "host,sip,dip,dport,proto"}},
	}
}

// answers waits until all probes have flows, then asks with the real command line and shows it.
func answers(ctx context.Context, o options, f *fleet.Fleet) error {
	if err := warm(ctx, o, f); err != nil {
		return err
	}
	for i, q := range questions(f) {
		command := weir(ctx, o, f, append([]string{"query"}, q.args...)...)
		fmt.Printf("\n%d. %s\n$ %s\n", i+1, q.text, shown(command.Args[1:]))
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	return nil
}

// weir is the command line tool, pointed at the fleet.
func weir(ctx context.Context, o options, f *fleet.Fleet, arguments ...string) *exec.Cmd {
	for _, m := range f.Members() {
		arguments = append(arguments, "--server", m.Name+"="+m.URL)
	}
	arguments = append(arguments, "--ca", f.CAFile(), "--token-file", f.TokenFile())
	return exec.CommandContext(ctx, filepath.Join(o.bin, "weir"), arguments...)
}

// shown is a command line that a person can type.
func shown(arguments []string) string {
	words := []string{"weir"}
	for _, a := range arguments {
		if strings.ContainsAny(a, " |&()=") {
			a = strconv.Quote(a)
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// warm returns when every probe has flows of every service.
func warm(ctx context.Context, o options, f *fleet.Fleet) error {
	fmt.Println("▸ waiting for the first flows")
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	var missing string
	for {
		output, err := weir(ctx, o, f, "query", "-i", "any", "-f", "-1h", "-e", "json", "host,dport,proto").Output()
		if err == nil {
			var r wire.Result
			if err := json.Unmarshal(output, &r); err != nil {
				return fmt.Errorf("read the answer of weir query -e json: %w", err)
			}
			if missing = lacks(f, &r); missing == "" {
				return nil
			}
		} else {
			missing = err.Error()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				missing = strings.TrimSpace(string(exit.Stderr))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no complete answer within %s: %s: %w", warmUp, missing, context.Cause(ctx))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// lacks names a probe or service without flows.
func lacks(f *fleet.Fleet, r *wire.Result) string {
	hosts, ports := map[string]bool{}, map[uint16]bool{}
	for _, row := range r.Rows {
		hosts[row.Labels.Host] = true
		ports[row.Attributes.DestinationPort] = true
	}
	if len(hosts) < len(f.Members()) {
		return fmt.Sprintf("flows of %d of %d hosts", len(hosts), len(f.Members()))
	}
	if span := r.Summary.TimeLast.Sub(r.Summary.TimeFirst); span < worthwhile {
		return fmt.Sprintf("%s of traffic", span)
	}
	for _, port := range []uint16{f.Plan().Ports.HTTP, f.Plan().Ports.DNS, f.Plan().Ports.SSH} {
		if !ports[port] {
			return fmt.Sprintf("no flow to port %d", port)
		}
	}
	return ""
}
