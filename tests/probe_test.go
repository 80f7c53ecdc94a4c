//go:build linux

package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// counts is what this package compares: packets and bytes by direction.
type counts struct {
	PacketsReceived uint64 `json:"pr"`
	PacketsSent     uint64 `json:"ps"`
	BytesReceived   uint64 `json:"br"`
	BytesSent       uint64 `json:"bs"`
}

func (c counts) String() string {
	return fmt.Sprintf("received %d packets, %d bytes; sent %d packets, %d bytes",
		c.PacketsReceived, c.BytesReceived, c.PacketsSent, c.BytesSent)
}

func (c counts) plus(o counts) counts {
	return counts{c.PacketsReceived + o.PacketsReceived, c.PacketsSent + o.PacketsSent,
		c.BytesReceived + o.BytesReceived, c.BytesSent + o.BytesSent}
}

// answer is the part of a result object that is looked at, by the names that the contract gives it.
type answer struct {
	Status  struct{ Code, Message string }
	Summary struct {
		Totals     counts
		Accounting struct {
			Received, Dropped, Metered uint64
			Issues                     map[string]uint64
		}
	}
	Rows []struct {
		Labels     struct{ Iface, Host string }
		Attributes struct {
			Source      string `json:"sip"`
			Destination string `json:"dip"`
			Port        uint16 `json:"dport"`
			Protocol    uint8  `json:"proto"`
		}
		Counters counts
	}
}

// rowSum adds the rows up.
func (a answer) rowSum() (sum counts) {
	for _, row := range a.Rows {
		sum = sum.plus(row.Counters)
	}
	return sum
}

func decodeAnswer(t testing.TB, text []byte) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("the answer is no result object: %v\n%s", err, text)
	}
	return a
}

// probe is a weir-probe with its store and its socket, where command runs programs.
type probe struct {
	store, config, socket string
	command               func(name string, arguments ...string) *exec.Cmd
	process               *process // the last one that was started
}

// settings of a probe beyond its store and its Unix socket, as YAML.
type settings struct {
	iface  string
	meter  string // members of the section
	listen string // another entry of api.listen, or empty
	tokens string // the section api.tokens, or empty
}

// newProbe writes a configuration; nothing runs yet.
func newProbe(t testing.TB, command func(string, ...string) *exec.Cmd, s settings) *probe {
	t.Helper()
	dir := t.TempDir()
	p := &probe{store: filepath.Join(dir, "store"), config: filepath.Join(dir, "probe.yaml"), socket: filepath.Join(dir, "socket"), command: command}
	listen := fmt.Sprintf("unix: %q", p.socket)
	if s.listen != "" {
		listen += "}, {" + s.listen
	}
	text := fmt.Sprintf("host: {name: e2e}\nstore: {path: %q}\ncapture: {interfaces: [%s]}\nmeter: {%s}\napi:\n  listen: [{%s}]\n%s",
		p.store, s.iface, s.meter, listen, s.tokens)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// run starts the probe and returns when it captures.
func (p *probe) run(t testing.TB) {
	t.Helper()
	p.process = start(t, p.command(binary(t, probeProgram), "run", "--config", p.config))
	eventually(t, patience, func() string {
		if p.process.ended() {
			t.Fatalf("the probe ended: %v\n%s", p.process.err, p.process.output)
		}
		var status struct {
			Statuses map[string]struct{ Capturing bool }
		}
		body, err := p.get("/status")
		if err != nil {
			return err.Error()
		}
		if err := json.Unmarshal(body, &status); err != nil {
			return err.Error()
		}
		for _, s := range status.Statuses {
			if s.Capturing {
				return ""
			}
		}
		return "the probe captures nothing"
	})
}

// terminate ends the probe as a service manager does.
func (p *probe) terminate(t testing.TB) {
	t.Helper()
	p.process.signal(t, syscall.SIGTERM)
	if code := p.process.wait(t, patience); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.process.output)
	}
}

// kill ends the probe as a power cut does.
func (p *probe) kill(t testing.TB) {
	t.Helper()
	p.process.signal(t, syscall.SIGKILL)
	p.process.wait(t, patience)
}

// stored asks the store with the command line.
func (p *probe) stored(t testing.TB, arguments ...string) answer {
	t.Helper()
	return weirQuery(t, append([]string{"-d", p.store}, arguments...)...)
}

// weirQuery is `weir query -e json` over everything.
func weirQuery(t testing.TB, arguments ...string) answer {
	t.Helper()
	command := exec.Command(binary(t, clientProgram), append([]string{"query", "-e", "json", "-f", "0"}, arguments...)...)
	return decodeAnswer(t, []byte(succeed(t, patience, command)))
}

// post asks the running probe over its socket: POST /_query.
func (p *probe) post(request map[string]any) (answer, error) {
	var a answer
	body, err := json.Marshal(request)
	if err != nil {
		return a, err
	}
	text, err := p.call(http.MethodPost, "/_query", body)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(text, &a)
}

func (p *probe) get(path string) ([]byte, error) { return p.call(http.MethodGet, path, nil) }

// call is one HTTP request over the probe's socket.
func (p *probe) call(method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", p.socket)
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://probe"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(text)))
	}
	return text, err
}
