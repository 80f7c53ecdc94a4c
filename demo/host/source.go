package host

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// DataSource is the configuration of the data source, as a provisioning file gives it.
type DataSource struct {
	UID            string
	Name           string
	JSONData       json.RawMessage   // an object; empty means {}
	SecureJSONData map[string]string // never shown, only whether they are set
}

// source holds the data source's settings. Updated grows with each change, which makes the plugin build a new
// instance.
type source struct {
	now func() time.Time

	mu      sync.Mutex
	current DataSource
	updated time.Time
}

func newSource(initial DataSource, now func() time.Time) (*source, error) {
	jsonData, err := object(initial.JSONData)
	if err != nil {
		return nil, fmt.Errorf("data source %s: %w", initial.UID, err)
	}
	initial.JSONData = jsonData
	initial.SecureJSONData = maps.Clone(initial.SecureJSONData)
	return &source{now: now, current: initial, updated: now()}, nil
}

// object checks that settings are a JSON object.
func object(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("read jsonData: %w", err)
	}
	return slices.Clone(raw), nil
}

// instance is what Grafana sends along with every call.
func (s *source) instance() *backend.DataSourceInstanceSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &backend.DataSourceInstanceSettings{
		ID:                      1,
		UID:                     s.current.UID,
		Type:                    PluginID,
		Name:                    s.current.Name,
		JSONData:                slices.Clone(s.current.JSONData),
		DecryptedSecureJSONData: maps.Clone(s.current.SecureJSONData),
		Updated:                 s.updated,
	}
}

// sourceView is the data source as Grafana's API shows it.
type sourceView struct {
	ID               int64           `json:"id"`
	UID              string          `json:"uid"`
	OrgID            int64           `json:"orgId"`
	Name             string          `json:"name"`
	Type             string          `json:"type"`
	Access           string          `json:"access"`
	URL              string          `json:"url"`
	JSONData         json.RawMessage `json:"jsonData"`
	SecureJSONFields map[string]bool `json:"secureJsonFields"`
	IsDefault        bool            `json:"isDefault"`
	ReadOnly         bool            `json:"readOnly"`
	Version          int64           `json:"version"`
}

func (s *source) view() sourceView {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := make(map[string]bool)
	for key, value := range s.current.SecureJSONData {
		if value != "" {
			set[key] = true
		}
	}
	return sourceView{
		ID: 1, UID: s.current.UID, OrgID: 1, Name: s.current.Name, Type: PluginID, Access: "proxy",
		JSONData: slices.Clone(s.current.JSONData), SecureJSONFields: set, IsDefault: true,
		Version: s.updated.UnixMilli(),
	}
}

// sourceChange is the body of a PUT; what is absent stays as it is, a secret that is empty is removed.
type sourceChange struct {
	Name           string            `json:"name"`
	JSONData       json.RawMessage   `json:"jsonData"`
	SecureJSONData map[string]string `json:"secureJsonData"`
}

func (s *source) change(c sourceChange) error {
	jsonData, err := object(c.JSONData)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Name != "" {
		s.current.Name = c.Name
	}
	if len(c.JSONData) > 0 {
		s.current.JSONData = jsonData
	}
	secrets := maps.Clone(s.current.SecureJSONData)
	if secrets == nil {
		secrets = make(map[string]string)
	}
	for key, value := range c.SecureJSONData {
		if value == "" {
			delete(secrets, key)
		} else {
			secrets[key] = value
		}
	}
	s.current.SecureJSONData = secrets
	// The protocol carries milliseconds: two changes within one must differ all the same.
	s.updated = later(s.now(), s.updated.Add(time.Millisecond))
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
