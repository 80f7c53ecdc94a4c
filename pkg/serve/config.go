package serve

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/wire"
)

// Role is what a caller may do. A role includes those before it in this list.
type Role string

// The roles.
const (
	RoleNone    Role = "none"    // everybody, also without authentication
	RoleQuery   Role = "query"   // ask for flows, status and metrics
	RolePackets Role = "packets" // fetch recorded packets
	RoleAdmin   Role = "admin"   // change the configuration
)

func (r Role) rank() int {
	return map[Role]int{RoleNone: 1, RoleQuery: 2, RolePackets: 3, RoleAdmin: 4}[r]
}

// grantable says whether a caller can be given the role.
func (r Role) grantable() bool { return r.rank() >= RoleQuery.rank() }

// Config says where the server listens, whom it lets in and how much it does at once.
type Config struct {
	// Listen is where to listen; an empty list serves nothing.
	Listen []Listen `yaml:"listen"`
	// Tokens let callers in that send one as bearer token or as password of basic authentication.
	Tokens []Token `yaml:"tokens"`
	// Limits bound what callers can make the server do; 0 is no limit, except where it says otherwise.
	Limits Limits `yaml:"limits"`
}

// Listen is one place to listen: a Unix socket, or a TCP address with either TLS or Insecure.
type Listen struct {
	// Unix is the path of a socket. Root connects to it as admin, anybody else who may open it as query.
	Unix string `yaml:"unix,omitempty"`
	// Group owns the Unix socket, mode 0660; empty: the process's own group.
	Group string `yaml:"group,omitempty"`
	// TCP is an address such as ":8145" or "192.0.2.1:8145".
	TCP string `yaml:"tcp,omitempty"`
	TLS *TLS   `yaml:"tls,omitempty"`
	// Insecure lets callers of some networks in without encryption and authentication, for goQuery and gpctl.
	Insecure *Insecure `yaml:"insecure,omitempty"`
}

// TLS names PEM files. Certificate and key are read again when they change.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCA verifies client certificates; empty: none are asked for.
	ClientCA string `yaml:"client_ca,omitempty"`
	// ClientRole is the role of a caller with a verified certificate; empty: query.
	ClientRole Role `yaml:"client_role,omitempty"`
}

// Insecure is who may call without authentication, and as what.
type Insecure struct {
	Allow []netip.Prefix `yaml:"allow"`
	Role  Role           `yaml:"role,omitempty"` // empty: query
}

// Token is a secret that callers know and the server does not: it keeps the hash only.
type Token struct {
	Name string `yaml:"name"` // as it stands in the audit log
	Role Role   `yaml:"role"`
	// SHA256 of the token, in hexadecimal digits: printf %s "$TOKEN" | sha256sum
	SHA256 string `yaml:"sha256"`
}

// Limits bound what callers can make the server do. A zero means no limit, except where it says otherwise.
type Limits struct {
	// Concurrent queries; further ones wait for Queue and are then refused with 503.
	Concurrent int `yaml:"concurrent"`
	// Queue is how long a query waits for its turn.
	Queue time.Duration `yaml:"queue"`
	// Rate of queries per second over all callers, in bursts up to Burst; above it they are refused with 429.
	Rate float64 `yaml:"rate"`
	// Burst is how many queries may come at once within the rate.
	Burst int `yaml:"burst"`
	// Timeout of a query.
	Timeout time.Duration `yaml:"timeout"`
	// Memory that the process may hold, in bytes: above it the query that has run longest is ended with 503.
	Memory int64 `yaml:"memory"`
	// Rows of an answer; a longer one is cut and says so.
	Rows int64 `yaml:"rows"`
	// Body of a request in bytes; 0: 1 MiB.
	Body int64 `yaml:"body"`
	// List is the greatest list of addresses that can be uploaded, in bytes; 0: 16 MiB. All lists together may have a
	// million entries.
	List int64 `yaml:"list"`
	// Header is how long a caller may take to send the header, and then the body, and to read each part of the
	// answer; 0: 10 s.
	Header time.Duration `yaml:"header"`
	// Shutdown is how long running queries may take to end after the server was told to.
	Shutdown time.Duration `yaml:"shutdown"`
}

const defaultListLimit = 16 << 20

// DefaultConfig listens nowhere.
func DefaultConfig() Config {
	return Config{Limits: Limits{
		Concurrent: 8, Queue: time.Second, Burst: 20, Timeout: 2 * time.Minute, Memory: 1 << 30, Rows: 1_000_000,
		Body: wire.DefaultBodyLimit, List: defaultListLimit, Header: 10 * time.Second, Shutdown: 5 * time.Second,
	}}
}

// Validate names everything that is wrong with the configuration; files are not opened.
func (c Config) Validate() error {
	var faults []error
	for i, l := range c.Listen {
		if err := l.validate(len(c.Tokens) > 0); err != nil {
			faults = append(faults, fmt.Errorf("listen[%d]: %w", i, err))
		}
	}
	names := make(map[string]bool)
	for i, t := range c.Tokens {
		if err := t.validate(); err != nil {
			faults = append(faults, fmt.Errorf("tokens[%d]: %w", i, err))
		}
		if names[t.Name] {
			faults = append(faults, fmt.Errorf("tokens[%d]: a second token with the name %q", i, t.Name))
		}
		names[t.Name] = true
	}
	l := c.Limits
	if l.Concurrent < 0 || l.Queue < 0 || l.Rate < 0 || l.Burst < 0 || l.Timeout < 0 || l.Memory < 0 || l.Rows < 0 || l.Body < 0 || l.List < 0 || l.List > actors.MaxBytes || l.Header < 0 || l.Shutdown < 0 {
		faults = append(faults, fmt.Errorf("limits: a limit must not be negative, and list not above %d", actors.MaxBytes))
	}
	if l.Rate > 0 && l.Burst == 0 {
		faults = append(faults, errors.New("limits: a rate needs a burst of at least 1"))
	}
	return errors.Join(faults...)
}

func (l Listen) validate(tokens bool) error {
	switch {
	case (l.Unix == "") == (l.TCP == ""):
		return errors.New("exactly one of unix and tcp is needed")
	case l.Unix != "" && (l.TLS != nil || l.Insecure != nil):
		return errors.New("a unix socket takes neither tls nor insecure: the file's owner, group and mode say who may open it")
	case l.Unix != "":
		return nil
	case l.Group != "":
		return errors.New("group is for unix sockets only")
	case l.TLS != nil && l.Insecure != nil:
		return errors.New("tls and insecure exclude each other")
	case l.TLS == nil && l.Insecure == nil:
		return fmt.Errorf("tcp %s without tls would send tokens and traffic data in the clear: give tls.certificate and tls.key, "+
			"or insecure.allow with the networks that may call without authentication", l.TCP)
	}
	if _, _, err := net.SplitHostPort(l.TCP); err != nil {
		return fmt.Errorf("tcp %q: expected an address with a port, such as :8145 or 192.0.2.1:8145", l.TCP)
	}
	if l.TLS != nil {
		return l.TLS.validate(tokens)
	}
	return l.Insecure.validate()
}

func (t *TLS) validate(tokens bool) error {
	switch {
	case t.Certificate == "" || t.Key == "":
		return errors.New("tls needs both a certificate and a key")
	case t.ClientRole != "" && !t.ClientRole.grantable():
		return unknownRole("tls.client_role", t.ClientRole)
	case t.ClientCA == "" && t.ClientRole != "":
		return errors.New("tls.client_role has no effect without tls.client_ca")
	case t.ClientCA == "" && !tokens:
		return errors.New("nobody could get in: neither tokens nor tls.client_ca are configured")
	}
	return nil
}

func (i *Insecure) validate() error {
	switch {
	case len(i.Allow) == 0:
		return errors.New("insecure.allow is empty: name the networks that may call, such as 192.0.2.0/24")
	case i.Role != "" && !i.Role.grantable():
		return unknownRole("insecure.role", i.Role)
	}
	for _, p := range i.Allow {
		if !p.IsValid() {
			return errors.New("insecure.allow holds an invalid network")
		}
	}
	return nil
}

func (t Token) validate() error {
	hash, err := hex.DecodeString(t.SHA256)
	switch {
	case t.Name == "":
		return errors.New("a token needs a name")
	case !t.Role.grantable():
		return unknownRole(fmt.Sprintf("role of token %q", t.Name), t.Role)
	case err != nil || len(hash) != 32:
		return fmt.Errorf("token %q: sha256 must be 64 hexadecimal digits, as printf %%s \"$TOKEN\" | sha256sum prints them", t.Name)
	case strings.EqualFold(t.SHA256, emptyHash):
		return fmt.Errorf("token %q: this is the hash of an empty token", t.Name)
	}
	return nil
}

// emptyHash is the SHA-256 of nothing, a frequent accident of scripts with an unset variable.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func unknownRole(where string, role Role) error {
	return fmt.Errorf("%s: unknown role %q: expected query, packets or admin", where, role)
}
