package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Source is where hosts are known.
type Source interface {
	// Name says for people and logs where the list comes from, without secrets.
	Name() string
	// Load reads the list as it is now.
	Load(ctx context.Context) (*List, error)
}

// Notifier is a Source that knows when its list has changed.
type Notifier interface {
	Source
	// Changed gets a value after each change.
	Changed() <-chan struct{}
}

// Static is a list that stands in the configuration.
type Static struct{ List *List }

// NewStatic checks entries of the operator's own; those that are wrong stand in the list's faults.
func NewStatic(entries []Entry, groups map[string][]string) Static {
	list := &List{Groups: groups}
	for i, e := range entries {
		if err := e.check(); err != nil {
			list.fault("hosts[%d]: %v", i, err)
			continue
		}
		list.Entries = append(list.Entries, e)
	}
	return Static{list}
}

// Name satisfies Source.
func (Static) Name() string { return "configuration" }

// Load satisfies Source.
func (s Static) Load(context.Context) (*List, error) { return s.List.clone(), nil }

// ReadFile reads a file of at most so many bytes.
type ReadFile func(path string, most int64) ([]byte, error)

// File is a file in the inventory's own format.
type File struct {
	Path string
	Read ReadFile
}

// Name satisfies Source.
func (f File) Name() string { return "file " + f.Path }

// Load satisfies Source.
func (f File) Load(context.Context) (*List, error) {
	text, err := f.Read(f.Path, MaxBytes+1)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Targets is a file in Prometheus's file_sd format.
type Targets struct {
	Path     string
	Read     ReadFile
	Defaults Defaults
}

// Name satisfies Source.
func (f Targets) Name() string { return "file_sd " + f.Path }

// Load satisfies Source.
func (f Targets) Load(context.Context) (*List, error) {
	text, err := f.Read(f.Path, MaxBytes+1)
	if err != nil {
		return nil, err
	}
	return ParseTargets(text, f.Defaults)
}

// HTTP is a server of Prometheus's http_sd format.
type HTTP struct {
	URL      string
	Client   *http.Client // with what TLS needs; it should not follow redirects to other servers
	Token    string       // sent as bearer token
	Defaults Defaults
}

// Name satisfies Source.
func (h HTTP) Name() string { return "http_sd " + hidden(h.URL) }

// Load satisfies Source.
func (h HTTP) Load(ctx context.Context) (*List, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("address %.100q: %w", hidden(h.URL), err)
	}
	request.Header.Set("Accept", "application/json")
	if h.Token != "" {
		request.Header.Set("Authorization", "Bearer "+h.Token)
	}
	response, err := h.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers with status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if trimmed := strings.TrimSpace(string(text[:min(len(text), 64)])); !strings.HasPrefix(trimmed, "[") {
		return nil, errors.New("the answer is no JSON list of targets")
	}
	return ParseTargets(text, h.Defaults)
}

// SRV is a name in the DNS with SRV records: each target is a host.
type SRV struct {
	Service  string // _weir._tcp.example.org
	Lookup   func(ctx context.Context, name string) ([]*net.SRV, error)
	Defaults Defaults
}

// Name satisfies Source.
func (s SRV) Name() string { return "dns_srv " + s.Service }

// Load satisfies Source.
func (s SRV) Load(ctx context.Context) (*List, error) {
	records, err := s.Lookup(ctx, s.Service)
	if err != nil {
		return nil, err
	}
	if len(records) > MaxHosts {
		return nil, fmt.Errorf("%d records, at most %d are taken", len(records), MaxHosts)
	}
	groups := []targetGroup{{}}
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if host == "" { // RFC 2782: the service is not available
			continue
		}
		groups[0].Targets = append(groups[0].Targets, net.JoinHostPort(host, strconv.Itoa(int(r.Port))))
	}
	list := &List{}
	shared := hostsWithPorts(groups)
	for _, target := range groups[0].Targets {
		e, err := s.Defaults.target(target, nil, shared)
		if err != nil {
			list.fault("record for %.100q: %v", target, err)
			continue
		}
		list.Entries = append(list.Entries, e)
	}
	return list, nil
}
