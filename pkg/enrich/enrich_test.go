package enrich

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/weirflow/weir/pkg/wire"
)

// database is a file of that type with records of networks.
func database(t testing.TB, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, r := range records {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, r); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func inCountry(code string) mmdbtype.Map {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("somewhere")}}}
}

func inSystem(number uint32, organisation string) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String(organisation)}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

var addresses = []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("198.51.100.1")}

func TestOrigins(t *testing.T) {
	directory, now := t.TempDir(), time.Unix(1_795_238_400, 0)
	cfg := Config{CountryFile: filepath.Join(directory, "country.mmdb"), ASNFile: filepath.Join(directory, "asn.mmdb")}
	write(t, cfg.CountryFile, database(t, "GeoLite2-Country", map[string]mmdbtype.Map{
		"192.0.2.0/24": inCountry("DE"), "2001:db8::/32": {"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("FR")}},
	}))
	write(t, cfg.ASNFile, database(t, "DBIP-ASN-Lite (compat=GeoLite2-ASN)", map[string]mmdbtype.Map{
		"192.0.2.0/25": inSystem(64500, "Example "+strings.Repeat("é", 200)),
	}))
	var log bytes.Buffer
	e, err := New(cfg, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	check := func(want map[netip.Addr]wire.Origin) {
		t.Helper()
		if diff := cmp.Diff(want, e.Origins(addresses), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	}
	first := map[netip.Addr]wire.Origin{
		addresses[0]: {Country: "DE", ASN: 64500, Organisation: "Example " + strings.Repeat("é", 124)}, addresses[1]: {Country: "FR"},
	}
	check(first)

	write(t, cfg.ASNFile, database(t, "GeoLite2-ASN", map[string]mmdbtype.Map{"192.0.2.0/24": inSystem(64501, "Other")}))
	check(first) // nobody looks at the file as often as that
	now = now.Add(checkEvery)
	second := map[netip.Addr]wire.Origin{addresses[0]: {Country: "DE", ASN: 64501, Organisation: "Other"}, addresses[1]: {Country: "FR"}}
	check(second)

	write(t, cfg.ASNFile, []byte("half of a file"))
	now = now.Add(checkEvery)
	check(second)
	if err := os.Remove(cfg.CountryFile); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkEvery)
	check(second)
	for _, want := range []string{"read again", "asn_file", "no MMDB file", "country_file", "no such file"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestNewRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mmdb")
	deps := Deps{Logger: slog.New(slog.DiscardHandler)}
	for _, test := range []struct {
		data []byte
		cfg  Config
		want string
	}{
		{nil, Config{CountryFile: path}, "no MMDB file"},
		{database(t, "GeoLite2-ASN", nil), Config{CountryFile: path}, `of the type "GeoLite2-ASN", which has no countries: expected one of Country`},
		{database(t, "GeoLite2-Country", nil), Config{ASNFile: path}, "enrich.asn_file " + path},
		{nil, Config{ASNFile: path + "x"}, "no such file"},
	} {
		write(t, path, test.data)
		if _, err := New(test.cfg, deps); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.cfg, err, test.want)
		}
	}
	if e, err := New(DefaultConfig(), deps); err != nil || len(e.Origins(addresses)) != 0 || DefaultConfig().Enabled() {
		t.Errorf("without files: %v", err)
	}
}

// FuzzOrigins: whatever a file holds, nothing panics and texts are bounded.
func FuzzOrigins(f *testing.F) {
	f.Add(database(f, "GeoLite2-Country", map[string]mmdbtype.Map{"192.0.2.0/24": inCountry("DE")}))
	f.Add(database(f, "City-ASN", map[string]mmdbtype.Map{"192.0.2.0/24": inSystem(7, "x"), "2001:db8::/32": inCountry("FR")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		reader, err := (&file{kinds: []string{""}}).open(data)
		if err != nil {
			return
		}
		for _, a := range addresses {
			var o wire.Origin
			if look(reader, a, &o); len(o.Country) > 2 || len(o.Organisation) > maxText {
				t.Fatalf("%+v", o)
			}
		}
	})
}

func BenchmarkOrigins(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.mmdb")
	write(b, path, database(b, "GeoLite2-Country", map[string]mmdbtype.Map{"192.0.2.0/24": inCountry("DE"), "2001:db8::/32": inCountry("FR")}))
	e, err := New(Config{CountryFile: path}, Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e.Origins(addresses)
	}
}
