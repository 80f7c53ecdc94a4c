package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// InterfaceConfig is how a probe captures an interface, in goProbe's words.
type InterfaceConfig struct {
	IgnoreVLANs bool            `json:"ignore_vlans"`
	Promiscuous bool            `json:"promisc"`
	RingBuffer  *RingBuffer     `json:"ring_buffer"`
	ExtraBPF    json.RawMessage `json:"extra_bpf_filters"` // null, or instructions
	Disable     bool            `json:"disable"`
}

// RingBuffer is the memory between kernel and probe.
type RingBuffer struct {
	BlockSize int `json:"block_size"` // bytes
	NumBlocks int `json:"num_blocks"`
}

// ConfigChanges says what became of the interfaces after a change.
type ConfigChanges struct {
	Enabled  []ConfigChange `json:"enabled"`
	Updated  []ConfigChange `json:"updated"`
	Disabled []ConfigChange `json:"disabled"`
}

// ConfigChange is one interface. goProbe v4 reports success only of those that were enabled.
type ConfigChange struct {
	Name    string `json:"name"`
	Success bool   `json:"success"`
	Message string `json:"message,omitempty"` // extension
}

// Config asks how interfaces are captured, all or some; nil if the server has nothing to say of them.
func (c *Client) Config(ctx context.Context, ifaces ...string) (map[string]InterfaceConfig, error) {
	query := url.Values{}
	if len(ifaces) > 0 {
		query.Set("ifaces", strings.Join(ifaces, ","))
	}
	var answer struct {
		Interfaces map[string]InterfaceConfig `json:"ifaces"`
	}
	if err := c.call(ctx, http.MethodGet, "/config", query, nil, &answer); err != nil {
		return nil, err
	}
	return answer.Interfaces, nil
}

// Configure makes a probe capture these interfaces and no others, until it reads its file again. Asked twice it does
// the same as once.
func (c *Client) Configure(ctx context.Context, ifaces map[string]InterfaceConfig) (*ConfigChanges, error) {
	changes := new(ConfigChanges)
	if err := c.call(ctx, http.MethodPut, "/config", nil, ifaces, changes); err != nil {
		return nil, err
	}
	return changes, nil
}

// ReloadConfig makes a probe read its file again.
func (c *Client) ReloadConfig(ctx context.Context) (*ConfigChanges, error) {
	changes := new(ConfigChanges)
	if err := c.call(ctx, http.MethodPost, "/config/_reload", nil, nil, changes); err != nil {
		return nil, err
	}
	return changes, nil
}
