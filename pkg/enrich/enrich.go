// Package enrich knows where addresses belong: the country, and the autonomous system with its organisation, from files
// in MaxMind's format (MMDB), as MaxMind and DB-IP publish them.
//
// Invariants: files are read as a whole, up to MaxBytes, and never mapped: who replaces one in place changes no answer
// that is being made. A file that changes is read again by the question that finds it changed; one that cannot be
// read then leaves the last good one in use, and the log says so.
//
// Neighbours: serve asks it for addresses of an answer (wire.Origin). It opens files, so that the plugin, which must not,
// asks a server instead.
package enrich

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/weirflow/weir/pkg/wire"
)

// MaxBytes is the greatest size of a file.
const MaxBytes = 256 << 20

// checkEvery is how often files are looked at for changes, while somebody asks.
const checkEvery = 10 * time.Second

// maxText bounds the texts that are taken from a file, in bytes.
const maxText = 256

// Config names the files. Without any, queries that want origins are refused.
type Config struct {
	// CountryFile has countries: GeoLite2-Country.mmdb, dbip-country-lite.mmdb, or one of cities.
	CountryFile string `yaml:"country_file"`
	// ASNFile has autonomous systems: GeoLite2-ASN.mmdb, dbip-asn-lite.mmdb.
	ASNFile string `yaml:"asn_file"`
}

// DefaultConfig names no files.
func DefaultConfig() Config { return Config{} }

// Enabled says whether a file is named.
func (c Config) Enabled() bool { return c.CountryFile != "" || c.ASNFile != "" }

// Deps are what the files are read with.
type Deps struct {
	Logger *slog.Logger
	// Now is the clock that says when to look at the files again; nil: time.Now.
	Now func() time.Time
}

// Enricher answers from the files. Its methods may be called concurrently.
type Enricher struct {
	deps  Deps
	files []*file

	mu   sync.Mutex
	next time.Time // to look at the files
}

// New reads the files.
func New(cfg Config, deps Deps) (*Enricher, error) {
	if deps.Logger == nil {
		return nil, errors.New("enrich: a logger is needed")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	e := &Enricher{deps: deps, next: deps.Now().Add(checkEvery)}
	for _, f := range []*file{
		{path: cfg.CountryFile, what: "countries", member: "country_file", kinds: []string{"Country", "City", "Enterprise"}},
		{path: cfg.ASNFile, what: "autonomous systems", member: "asn_file", kinds: []string{"ASN", "ISP", "Enterprise"}},
	} {
		if f.path == "" {
			continue
		}
		if _, err := f.load(); err != nil {
			return nil, err
		}
		e.files = append(e.files, f)
	}
	return e, nil
}

// Origins are those of the addresses, as far as they are known.
func (e *Enricher) Origins(addresses []netip.Addr) map[netip.Addr]wire.Origin {
	readers := e.readers()
	origins := make(map[netip.Addr]wire.Origin)
	for _, a := range addresses {
		var o wire.Origin
		for _, r := range readers {
			look(r, a, &o)
		}
		if o != (wire.Origin{}) {
			origins[a] = o
		}
	}
	return origins
}

// readers are those of the files as they are now.
func (e *Enricher) readers() []*maxminddb.Reader {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.deps.Now(); !now.Before(e.next) {
		e.next = now.Add(checkEvery)
		for _, f := range e.files {
			if changed, err := f.load(); err != nil {
				e.deps.Logger.Warn("the file is not read again, its last state stays in use", "file", f.path, "error", err)
			} else if changed {
				e.deps.Logger.Info("read again", "file", f.path, "built", f.reader.Metadata.BuildTime().UTC())
			}
		}
	}
	readers := make([]*maxminddb.Reader, len(e.files))
	for i, f := range e.files {
		readers[i] = f.reader
	}
	return readers
}

// record is what is read of a record, of either kind of file.
type record struct {
	Country      country `maxminddb:"country"`
	Registered   country `maxminddb:"registered_country"`
	ASN          uint32  `maxminddb:"autonomous_system_number"`
	Organisation string  `maxminddb:"autonomous_system_organization"`
}

type country struct {
	Code string `maxminddb:"iso_code"`
}

// look adds what a file knows of an address. A record that cannot be decoded says nothing.
func look(r *maxminddb.Reader, a netip.Addr, o *wire.Origin) {
	var found record
	if err := r.Lookup(a).Decode(&found); err != nil {
		return
	}
	for _, code := range []string{found.Country.Code, found.Registered.Code} {
		if o.Country == "" && len(code) == 2 {
			o.Country = strings.Clone(code)
		}
	}
	if o.ASN == 0 && found.ASN != 0 {
		o.ASN = found.ASN
		o.Organisation = strings.ToValidUTF8(found.Organisation[:min(len(found.Organisation), maxText)], "")
	}
}

// file is one of the files.
type file struct {
	path, what, member string
	kinds              []string // one of these stands in the type of the database
	state              os.FileInfo
	reader             *maxminddb.Reader
}

// load reads the file if it has changed.
func (f *file) load() (changed bool, err error) {
	state, err := os.Stat(f.path)
	if err != nil {
		return false, f.fault("%w", err)
	}
	if f.state != nil && os.SameFile(state, f.state) && state.ModTime().Equal(f.state.ModTime()) && state.Size() == f.state.Size() {
		return false, nil
	}
	data, err := f.read()
	if err != nil {
		return false, err
	}
	reader, err := f.open(data)
	if err != nil {
		return false, err
	}
	f.state, f.reader = state, reader
	return true, nil
}

func (f *file) open(data []byte) (*maxminddb.Reader, error) {
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, f.fault("it is no MMDB file: %w", err)
	}
	kind := reader.Metadata.DatabaseType
	for _, known := range f.kinds {
		if strings.Contains(kind, known) {
			return reader, nil
		}
	}
	return nil, f.fault("it is a database of the type %q, which has no %s: expected one of %s", clip(kind), f.what, strings.Join(f.kinds, ", "))
}

// read takes as many bytes as a file may have.
func (f *file) read() ([]byte, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, f.fault("%w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, MaxBytes+1))
	if err != nil {
		return nil, f.fault("%w", err)
	}
	if len(data) > MaxBytes {
		return nil, f.fault("it has more than %d bytes", MaxBytes)
	}
	return data, nil
}

func (f *file) fault(format string, arguments ...any) error {
	return fmt.Errorf("enrich.%s %s: %w", f.member, f.path, fmt.Errorf(format, arguments...))
}

func clip(text string) string { return text[:min(len(text), 64)] }
