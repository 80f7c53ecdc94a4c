// Package config is the probe's configuration: one struct of the packages' own configurations, read from one YAML
// file. It is floor 5, above everything it configures. Unknown keys are refused by name; example.yaml holds every key
// with its default and is generated from the structs and their comments by this package's test (-update).
package config

import (
	_ "embed" // example.yaml
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/weirflow/weir/pkg/configfile"
	"github.com/weirflow/weir/pkg/enrich"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/telemetry"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/meter"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
)

// Where things are unless the configuration says otherwise.
const (
	DefaultPath   = "/etc/weir/probe.yaml"
	DefaultStore  = "/var/lib/weir"
	DefaultSocket = "/run/weir/probe.sock"
)

// Config of the probe.
type Config struct {
	// Host says who this host is.
	Host agent.Host `yaml:"host"`
	// Store is where flows are kept.
	Store Store `yaml:"store"`
	// Capture says what is captured.
	Capture agent.Capture `yaml:"capture"`
	// Meter says how packets become flows.
	Meter meter.Config `yaml:"meter"`
	// Query bounds what one query may use.
	Query Query `yaml:"query"`
	// API is where queries are answered, and for whom.
	API serve.Config `yaml:"api"`
	// NATS says where queries come from besides: NATS servers that the probe connects to, for hosts that nobody can dial.
	// Whoever asks there needs one of the tokens of api.
	NATS natshttp.Settings `yaml:"nats"`
	// Enrich names files of countries and networks, for queries that ask where addresses belong.
	Enrich enrich.Config `yaml:"enrich"`
	// Tracing says where traces of queries go.
	Tracing telemetry.Config `yaml:"tracing"`
	// Log goes to standard error.
	Log Log `yaml:"log"`
}

// Store is where flows are kept.
type Store struct {
	// Path of the store's directory; it is made if it is absent.
	Path string `yaml:"path"`
	// Retention says how much is kept. Whole UTC days are deleted, the oldest first, never the current one.
	Retention store.Retention `yaml:"retention"`
}

// Query bounds what one query may use.
type Query struct {
	// MaxGroups a query may have before its limit applies, about 200 bytes of memory each.
	MaxGroups int `yaml:"max_groups"`
	// Memory in bytes for summing up segments; a query that needs more reads them several times.
	Memory int64 `yaml:"memory"`
}

// Log goes to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level slog.Level `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
}

// Default is the configuration of an empty file: it captures nothing and listens on the Unix socket only.
func Default() Config {
	a := agent.DefaultConfig()
	api := serve.DefaultConfig()
	api.Listen = []serve.Listen{{Unix: DefaultSocket}}
	api.Tokens = []serve.Token{}
	return Config{
		Host:    agent.Host{Labels: map[string]string{}},
		Store:   Store{Path: DefaultStore, Retention: store.DefaultRetention()},
		Capture: a.Capture,
		Meter:   a.Meter,
		Query:   Query{MaxGroups: a.Engine.MaxGroups, Memory: a.Engine.Memory},
		API:     api,
		NATS:    natshttp.DefaultSettings(),
		Enrich:  enrich.DefaultConfig(),
		Tracing: telemetry.DefaultConfig(),
		Log:     Log{Level: slog.LevelInfo, Format: "text"},
	}
}

// Load reads and checks the file at path. The error is one line: file, line, what is wrong and what to do.
func Load(path string) (Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w (weir-probe example-config prints one)", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, configfile.MaxSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(text) > configfile.MaxSize {
		return Config{}, fmt.Errorf("read configuration %s: longer than %d bytes: is it the right file?", path, configfile.MaxSize)
	}
	cfg, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return cfg, nil
}

// Parse reads and checks a configuration; what the text does not name has its default.
func Parse(text []byte) (Config, error) {
	cfg := Default()
	if err := configfile.Decode(text, &cfg); err != nil {
		return Config{}, err
	}
	return cfg, cfg.Validate()
}

// Validate says everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	if c.Store.Path == "" {
		faults = append(faults, errors.New("store.path is empty"))
	}
	if err := c.Store.Retention.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("store.retention: %w", err))
	}
	if c.Query.MaxGroups < 1 {
		faults = append(faults, fmt.Errorf("query.max_groups is %d: at least 1", c.Query.MaxGroups))
	}
	if c.Query.Memory < 1<<20 {
		faults = append(faults, fmt.Errorf("query.memory is %d: at least 1048576 bytes", c.Query.Memory))
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		faults = append(faults, fmt.Errorf("log.format is %q: text or json", c.Log.Format))
	}
	if err := c.Agent().Validate(); err != nil {
		faults = append(faults, err)
	}
	if err := c.API.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("api: %w", err))
	}
	if err := c.NATS.Validate(); err != nil {
		faults = append(faults, err)
	}
	if c.NATS.Enabled() && len(c.API.Tokens) == 0 {
		faults = append(faults, errors.New("nats: nobody could ask: api.tokens is empty (weir-probe token makes one)"))
	}
	if err := c.Tracing.Validate(); err != nil {
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.ReplaceAll(errors.Join(faults...).Error(), "\n", "; "))
}

// Agent is the part of the configuration that the agent takes.
func (c Config) Agent() agent.Config {
	return agent.Config{
		Host: c.Host, Store: store.Config{Path: c.Store.Path, Retention: c.Store.Retention}, Capture: c.Capture, Meter: c.Meter,
		Engine: query.Config{MaxGroups: c.Query.MaxGroups, Memory: c.Query.Memory},
	}
}

// Logger writes to w as the configuration says.
func (c Config) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Log.Level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

//go:embed example.yaml
var example string

// Example is a configuration with every key, its meaning and its default.
func Example() string { return example }
