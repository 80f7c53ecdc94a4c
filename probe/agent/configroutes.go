package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"slices"
	"strings"

	"maps"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/capture"
)

// configurer is what the routes need of the agent.
type configurer interface {
	Interfaces() map[string]InterfaceSettings
	SetInterfaces(context.Context, map[string]InterfaceSettings) (Changes, error)
	Reload(context.Context) (Changes, error)
}

// configRoutes are goProbe's endpoints of the capture configuration.
func configRoutes(c configurer) []serve.Route {
	r := configEndpoints{c}
	return []serve.Route{
		{Pattern: "GET /config", Role: serve.RoleQuery, Handler: http.HandlerFunc(r.get)},
		{Pattern: "GET /config/{iface}", Role: serve.RoleQuery, Handler: http.HandlerFunc(r.get)},
		{Pattern: "PUT /config", Role: serve.RoleAdmin, Handler: http.HandlerFunc(r.put)},
		{Pattern: "POST /config/_reload", Role: serve.RoleAdmin, Handler: http.HandlerFunc(r.reload)},
	}
}

type configEndpoints struct{ configurer }

// interfaceConfig is goProbe's form of an interface's settings. gpctl crashes where ring_buffer is missing.
type interfaceConfig struct {
	IgnoreVLANs bool                 `json:"ignore_vlans"`
	Promiscuous bool                 `json:"promisc"`
	RingBuffer  *ringBuffer          `json:"ring_buffer"`
	ExtraBPF    []bpf.RawInstruction `json:"extra_bpf_filters"`
	Disable     bool                 `json:"disable"`
}

type ringBuffer struct {
	BlockSize int `json:"block_size"`
	NumBlocks int `json:"num_blocks"`
}

type configAnswer struct {
	StatusCode int                        `json:"status_code"`
	Interfaces map[string]interfaceConfig `json:"ifaces"`
}

// get is GET /config, of all interfaces or of those named; 204 where none of them is known.
func (e configEndpoints) get(w http.ResponseWriter, r *http.Request) {
	names := namedInterfaces(r)
	answer := configAnswer{http.StatusOK, map[string]interfaceConfig{}}
	for name, s := range e.Interfaces() {
		if len(names) == 0 || slices.Contains(names, name) {
			answer.Interfaces[name] = interfaceConfig{IgnoreVLANs: s.Untagged, Promiscuous: s.Promiscuous,
				RingBuffer: &ringBuffer{s.BlockSize, s.Blocks}, ExtraBPF: s.BPF}
		}
	}
	if len(names) > 0 && len(answer.Interfaces) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	serve.WriteJSON(w, answer)
}

// changeAnswer is the answer to a change. Its lists are never null: some readers take that for an error.
type changeAnswer struct {
	StatusCode int            `json:"status_code"`
	Enabled    []changeStatus `json:"enabled"`
	Updated    []changeStatus `json:"updated"`
	Disabled   []changeStatus `json:"disabled"`
}

type changeStatus struct {
	Name    string `json:"name"`
	Success bool   `json:"success"`
	Message string `json:"message,omitempty"`
}

func statuses(list []Change) []changeStatus {
	out := []changeStatus{}
	for _, c := range list {
		s := changeStatus{Name: c.Name, Success: c.Err == nil}
		if c.Err != nil {
			s.Message = c.Err.Error()
		}
		out = append(out, s)
	}
	return out
}

// put is PUT /config: the interfaces of the body are captured, and no others, until a reload or restart.
func (e configEndpoints) put(w http.ResponseWriter, r *http.Request) {
	configs, problem := decodeConfigs(r.Body)
	if problem != nil {
		serve.WriteProblem(w, problem)
		return
	}
	settings := map[string]InterfaceSettings{}
	for name, c := range configs {
		if c.Disable {
			continue
		}
		s := InterfaceSettings{Promiscuous: c.Promiscuous, Untagged: c.IgnoreVLANs, BPF: c.ExtraBPF}
		if c.RingBuffer != nil {
			s.BlockSize, s.Blocks = c.RingBuffer.BlockSize, c.RingBuffer.NumBlocks
		}
		settings[name] = s
	}
	changes, err := e.SetInterfaces(r.Context(), settings)
	answerChanges(w, changes, err)
}

// reload is POST /config/_reload.
func (e configEndpoints) reload(w http.ResponseWriter, r *http.Request) {
	changes, err := e.Reload(r.Context())
	answerChanges(w, changes, err)
}

func answerChanges(w http.ResponseWriter, c Changes, err error) {
	if err != nil {
		status := http.StatusBadRequest // as goProbe: the file is at fault
		if errors.Is(err, errNotRunning) || errors.Is(err, context.Canceled) {
			status = http.StatusServiceUnavailable
		}
		serve.WriteProblem(w, wire.NewProblem(status, strings.ReplaceAll(err.Error(), "\n", "; ")))
		return
	}
	serve.WriteJSON(w, changeAnswer{http.StatusOK, statuses(c.Enabled), statuses(c.Updated), statuses(c.Disabled)})
}

// maxConfigured bounds the interfaces of one PUT, as with goProbe.
const maxConfigured = 1024

// decodeConfigs reads and checks the body of PUT /config; every fault is named with its place.
func decodeConfigs(body io.Reader) (map[string]interfaceConfig, *wire.Problem) {
	text, err := io.ReadAll(body)
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return nil, wire.NewProblem(http.StatusRequestEntityTooLarge, "the configuration is too long", wire.Fault{Location: "body", Message: tooLong.Error()})
	}
	if err != nil {
		return nil, wire.NewProblem(http.StatusBadRequest, "the configuration did not arrive as a whole")
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &members); err != nil || bytes.TrimSpace(text)[0] != '{' {
		return nil, wire.NewProblem(http.StatusBadRequest, "validation failed",
			wire.Fault{Location: "body", Message: "expected a JSON object: interfaces with their settings"})
	}
	delete(members, "$schema")
	var faults []wire.Fault
	if len(members) == 0 || len(members) > maxConfigured {
		faults = append(faults, wire.Fault{Location: "body", Message: fmt.Sprintf("%d interfaces: expected 1 to %d", len(members), maxConfigured)})
	}
	configs := map[string]interfaceConfig{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var c interfaceConfig
		if err := decodeConfig(name, members[name], &c); err != nil {
			at := "body." + strings.ToValidUTF8(name[:min(len(name), 64)], "?")
			if faults = append(faults, wire.Fault{Location: at, Message: err.Error()}); len(faults) > 64 {
				break
			}
		}
		configs[name] = c
	}
	if len(faults) > 0 {
		return nil, wire.NewProblem(http.StatusUnprocessableEntity, "validation failed", faults...)
	}
	return configs, nil
}

func decodeConfig(name string, text json.RawMessage, c *interfaceConfig) error {
	if _, err := wire.ParseInterfaces(name); err != nil || strings.ContainsAny(name, "!,") {
		return fmt.Errorf("%.64q is no name of an interface", name)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return explainDecode(err)
	}
	if _, _, err := capture.Match([]string{name}, nil, nil); err != nil {
		return err
	}
	filter := capture.LiveConfig{BPF: c.ExtraBPF}
	if err := filter.ValidateFilter(); err != nil {
		return fmt.Errorf("extra_bpf_filters: %w", err)
	}
	if r := c.RingBuffer; r != nil {
		return r.validate()
	}
	return nil
}

// minBlockSize is a memory page, at least as large as any that Go runs on has by default.
const minBlockSize = 4096

// validate checks the ring's measures; 0 is the configuration's.
func (r ringBuffer) validate() error {
	size, blocks := cmp.Or(r.BlockSize, capture.DefaultBlockSize), cmp.Or(r.NumBlocks, capture.DefaultBlocks)
	switch {
	case size < minBlockSize || size > capture.MaxBlockSize || bits.OnesCount(uint(size)) != 1:
		return fmt.Errorf("ring_buffer.block_size %d: expected a power of two from %d to %d", size, minBlockSize, capture.MaxBlockSize)
	case blocks < capture.MinBlocks || blocks > capture.MaxBlocks:
		return fmt.Errorf("ring_buffer.num_blocks %d: expected %d to %d", blocks, capture.MinBlocks, capture.MaxBlocks)
	case blocks > capture.MaxRingSize/size:
		return fmt.Errorf("ring_buffer: %d blocks of %d bytes are more than %d bytes", blocks, size, capture.MaxRingSize)
	}
	return nil
}

// explainDecode says what encoding/json found in the words of the body.
func explainDecode(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		if kind.Field == "" {
			return errors.New("expected an object with the settings of the interface")
		}
		return fmt.Errorf("%s: a %s is not what is expected", kind.Field, kind.Value)
	}
	if _, quoted, found := strings.Cut(err.Error(), "unknown field "); found {
		known := []string{"ignore_vlans", "promisc", "ring_buffer", "extra_bpf_filters", "disable", "block_size", "num_blocks"}
		if near, ok := flow.Nearest(strings.Trim(quoted, `"`), known); ok {
			return fmt.Errorf("unknown member %s; did you mean %q?", quoted, near)
		}
		return fmt.Errorf("unknown member %.80s; known are %s", quoted, strings.Join(known[:5], ", "))
	}
	return errors.New("the settings are no valid JSON")
}
