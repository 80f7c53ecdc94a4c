package gateway

import (
	_ "embed" // example.yaml
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/configfile"
	"github.com/weirflow/weir/pkg/enrich"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/natsserver"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/telemetry"
)

// DefaultPath is where the configuration is unless the command line says otherwise.
const DefaultPath = "/etc/weir/gateway.yaml"

// Config of a gateway.
type Config struct {
	// API is where queries are answered, and for whom, as a probe's.
	API serve.Config `yaml:"api"`
	// Inventory says which hosts there are.
	Inventory Inventory `yaml:"inventory"`
	// Auth are the credentials to show to hosts.
	Auth []Credential `yaml:"auth"`
	// Fleet bounds how the hosts are asked.
	Fleet fleet.Config `yaml:"fleet"`
	// Cache keeps hosts' answers about days that are over.
	Cache fleet.CacheConfig `yaml:"cache"`
	// NATS is where hosts are reached that nobody can dial.
	NATS natshttp.Settings `yaml:"nats"`
	// NATSServer is one within this process, in place of NATS.
	NATSServer natsserver.Config `yaml:"nats_server"`
	// MaxAnswer is the greatest answer of a host in bytes.
	MaxAnswer int64 `yaml:"max_answer"`
	// AnswerMemory in bytes is what answers share while they are read.
	AnswerMemory int64 `yaml:"answer_memory"`
	// LargeAnswers is how many answers go on at once when that is used up; others wait.
	LargeAnswers int `yaml:"large_answers"`
	// Lists of addresses that conditions can name.
	Lists []ListFile `yaml:"lists"`
	// Enrich names files of countries and networks, for queries that ask where addresses belong.
	Enrich enrich.Config `yaml:"enrich"`
	// Watch is how often configuration, credentials and lists are looked at for changes; 0: on SIGHUP only.
	Watch time.Duration `yaml:"watch"`
	// Tracing says where traces of queries go.
	Tracing telemetry.Config `yaml:"tracing"`
	// Log goes to standard error.
	Log Log `yaml:"log"`
}

// Log goes to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level slog.Level `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
}

// Inventory says which hosts there are.
type Inventory struct {
	// Hosts that stand here.
	Hosts []inventory.Entry `yaml:"hosts"`
	// Groups by name: members are hosts, globs, and other groups as @name.
	Groups map[string][]string `yaml:"groups"`
	// Files in the inventory's own format: hosts and groups as above.
	Files []string `yaml:"files"`
	// FileSD are files in Prometheus's file_sd format.
	FileSD []FileSD `yaml:"file_sd"`
	// HTTPSD are servers of Prometheus's http_sd format.
	HTTPSD []HTTPSD `yaml:"http_sd"`
	// DNSSRV are names with SRV records.
	DNSSRV []DNSSRV `yaml:"dns_srv"`
	// NATS are hosts that announce themselves over NATS.
	NATS []NATSDiscovery `yaml:"nats"`
	// Refresh is how often files are read for changes.
	Refresh time.Duration `yaml:"refresh"`
	// Timeout ends the reading of a source; what it had before stays.
	Timeout time.Duration `yaml:"timeout"`
	// MaxHosts bounds all sources together.
	MaxHosts int `yaml:"max_hosts"`
}

// FileSD is a file in Prometheus's file_sd format, JSON or YAML.
type FileSD struct {
	// Path of the file.
	Path string `yaml:"path"`
	// Defaults complete what is found.
	Defaults inventory.Defaults `yaml:"defaults"`
}

// HTTPSD is a server of Prometheus's http_sd format.
type HTTPSD struct {
	// URL that gives the list.
	URL string `yaml:"url"`
	// Auth names the credentials to show; empty: those that are meant for the address.
	Auth string `yaml:"auth"`
	// Refresh is how often it is asked; 0: every minute.
	Refresh time.Duration `yaml:"refresh"`
	// Defaults complete what is found.
	Defaults inventory.Defaults `yaml:"defaults"`
}

// DNSSRV is a name with SRV records.
type DNSSRV struct {
	// Name such as _weir._tcp.example.org.
	Name string `yaml:"name"`
	// Refresh is how often it is looked up; 0: every minute.
	Refresh time.Duration `yaml:"refresh"`
	// Defaults complete what is found.
	Defaults inventory.Defaults `yaml:"defaults"`
}

// Credential is what is shown to some hosts, and how they are recognised.
type Credential struct {
	// Name by which hosts of the inventory ask for it.
	Name string `yaml:"name"`
	// For are the hosts that it may be shown to: globs of names, and networks. It is never sent anywhere else.
	For []string `yaml:"for"`
	// TokenFile holds the bearer token. It goes over TLS only, or within this machine.
	TokenFile string `yaml:"token_file"`
	// CAFile verifies the hosts; empty: the system's authorities.
	CAFile string `yaml:"ca_file"`
	// CertificateFile is shown to the hosts, with KeyFile.
	CertificateFile string `yaml:"certificate_file"`
	// KeyFile is the key of the certificate.
	KeyFile string `yaml:"key_file"`
	// ServerName is expected in the hosts' certificates instead of their names.
	ServerName string `yaml:"server_name"`
}

// ListFile is a list of addresses in a file.
type ListFile struct {
	// Name in conditions, as @name.
	Name string `yaml:"name"`
	// Path of the file.
	Path string `yaml:"path"`
	// Format of the list; empty: found out.
	Format string `yaml:"format"`
}

// Default is the configuration of an empty file: it knows no hosts and listens nowhere.
func Default() Config {
	api := serve.DefaultConfig()
	api.Limits.Concurrent = 32
	f := fleet.DefaultConfig()
	f.Concurrency = 2048
	return Config{
		API: api, Fleet: f, Cache: fleet.DefaultCacheConfig(), NATS: natshttp.DefaultSettings(), MaxAnswer: 64 << 20, AnswerMemory: 128 << 20, LargeAnswers: 8,
		Watch: 5 * time.Second, Tracing: telemetry.DefaultConfig(),
		Inventory: Inventory{Refresh: 5 * time.Second, Timeout: inventory.DefaultConfig().Timeout, MaxHosts: inventory.DefaultConfig().MaxHosts},
		Log:       Log{Level: slog.LevelInfo, Format: "text"},
	}
}

//go:embed example.yaml
var example string

// Example is a configuration with every key and its meaning.
func Example() string { return example }

// Parse reads and checks a configuration; what the text does not name has its default.
func Parse(text []byte) (Config, error) {
	cfg := Default()
	if err := configfile.Decode(text, &cfg); err != nil {
		return Config{}, err
	}
	return cfg, cfg.Validate()
}

// Validate says everything that is wrong. Single hosts that are wrong are none of it: they are named and left out.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, arguments ...any) { faults = append(faults, fmt.Errorf(format, arguments...)) }
	if err := c.API.Validate(); err != nil {
		fault("api: %w", err)
	}
	if err := c.Fleet.Validate(); err != nil {
		fault("fleet: %w", err)
	}
	if err := c.Tracing.Validate(); err != nil {
		fault("%w", err)
	}
	if c.MaxAnswer < 1<<16 || c.AnswerMemory < 1<<20 || c.LargeAnswers < 1 {
		fault("max_answer is %d, answer_memory %d and large_answers %d: at least 65536 bytes, 1048576 bytes and 1", c.MaxAnswer, c.AnswerMemory, c.LargeAnswers)
	}
	if c.Watch < 0 || c.Inventory.Refresh <= 0 || c.Inventory.Timeout <= 0 || c.Inventory.MaxHosts < 1 {
		fault("watch must not be negative; inventory.refresh, timeout and max_hosts must be above 0")
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		fault("log.format is %q: text or json", c.Log.Format)
	}
	faults = append(faults, c.validateSources()...)
	faults = append(faults, c.validateNATS()...)
	names := make(map[string]bool)
	for i, a := range c.Auth {
		if err := a.validate(); err != nil {
			fault("auth[%d]: %w", i, err)
		}
		if names[a.Name] {
			fault("auth[%d]: a second credential with the name %q", i, a.Name)
		}
		names[a.Name] = true
	}
	for i, l := range c.Lists {
		if filter.TouchingList(l.Name) == nil || l.Path == "" {
			fault("lists[%d]: a list needs a path, and a name of up to 64 letters, digits, dots, dashes and underscores", i)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.ReplaceAll(errors.Join(faults...).Error(), "\n", "; "))
}

func (c Config) validateSources() (faults []error) {
	fault := func(where string, i int, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("inventory.%s[%d]: %w", where, i, err))
		}
	}
	for i, s := range c.Inventory.FileSD {
		fault("file_sd", i, errors.Join(needed("path", s.Path), s.Defaults.Validate()))
	}
	for i, s := range c.Inventory.HTTPSD {
		u, err := url.Parse(s.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			fault("http_sd", i, errors.New("url: expected http://… or https://…, without user and password"))
		}
		fault("http_sd", i, errors.Join(notNegative(s.Refresh), s.Defaults.Validate()))
	}
	for i, s := range c.Inventory.DNSSRV {
		fault("dns_srv", i, errors.Join(needed("name", s.Name), notNegative(s.Refresh), s.Defaults.Validate()))
	}
	return faults
}

func needed(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is missing", key)
	}
	return nil
}

func notNegative(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("refresh %v must not be negative", d)
	}
	return nil
}

func (c Credential) validate() error {
	switch {
	case c.Name == "":
		return errors.New("a name is missing")
	case len(c.For) == 0:
		return fmt.Errorf("%s: for is missing: name the hosts that it may be shown to, such as \"*.example.org\" or 192.0.2.0/24", c.Name)
	case (c.CertificateFile == "") != (c.KeyFile == ""):
		return fmt.Errorf("%s: certificate_file and key_file belong together", c.Name)
	}
	for _, f := range c.For {
		if _, err := netip.ParsePrefix(f); strings.Contains(f, "/") && err != nil {
			return fmt.Errorf("%s: for: %q is no network", c.Name, f)
		}
	}
	return nil
}

// Logger writes to w as the configuration says.
func (c Config) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Log.Level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
