package queryargs

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// read parses the words after "weir query", as the command line does.
func read(words []string) (*wire.Request, Options, error) {
	set := pflag.NewFlagSet("query", pflag.ContinueOnError)
	var f Flags
	f.Register(set)
	if err := set.Parse(words); err != nil {
		return nil, Options{}, err
	}
	if set.NArg() != 1 {
		return nil, Options{}, fmt.Errorf("%d arguments: %q", set.NArg(), set.Args())
	}
	r, err := f.Request(set.Arg(0), len(f.Servers) > 0)
	return r, f.Options, err
}

// split cuts a line into words as a shell does, of the quoting that Quote uses. Anything else is an error.
func split(line string) ([]string, error) {
	var words []string
	for line != "" {
		var word strings.Builder
		for line != "" && line[0] != ' ' {
			switch {
			case strings.HasPrefix(line, "$'"):
				text, rest, err := unescape(line[2:])
				if err != nil {
					return nil, err
				}
				word.WriteString(text)
				line = rest
			case line[0] == '\'':
				text, rest, ok := strings.Cut(line[1:], "'")
				if !ok {
					return nil, fmt.Errorf("no end of quote in %q", line)
				}
				word.WriteString(text)
				line = rest
			case line[0] == '\\':
				word.WriteByte(line[1])
				line = line[2:]
			case isSafe(line[:1]) || line[0] == '=':
				word.WriteByte(line[0])
				line = line[1:]
			default:
				return nil, fmt.Errorf("%q outside of quotes", line[0])
			}
		}
		words = append(words, word.String())
		line = strings.TrimPrefix(line, " ")
	}
	return words, nil
}

func unescape(line string) (text, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\'':
			return b.String(), line[i+1:], nil
		case '\\':
			var c int
			if _, err := fmt.Sscanf(line[i+1:i+4], "%o", &c); err != nil {
				return "", "", err
			}
			b.WriteByte(byte(c))
			i += 3
		default:
			b.WriteByte(line[i])
		}
	}
	return "", "", fmt.Errorf("no end of quote in %q", line)
}

// meaning is the request with all that the printed line need not repeat brought to one form.
func meaning(r wire.Request) wire.Request {
	for _, text := range []*string{&r.Query, &r.Ifaces, &r.Condition, &r.First, &r.Last, &r.TimeResolution, &r.SortBy, &r.QueryHosts, &r.QueryHostsResolverType} {
		*text = strings.ReplaceAll(*text, "\x00", "\ufffd")
	}
	r.Compare = strings.ReplaceAll(r.Compare, "\x00", "\ufffd")
	r.Actors = parseActors(strings.ReplaceAll(printActors(r.Actors), "\x00", "\ufffd"))
	timed := hasTime(r.Query)
	if !timed || blank(r.TimeResolution) {
		r.TimeResolution = ""
	}
	if timed && blank(r.First) {
		r.First = defaultSpan
	}
	if r.DNSResolution != nil {
		timeout := r.DNSResolution.Timeout
		if r.DNSResolution = nil; timeout > 0 {
			r.DNSResolution = &wire.DNSResolution{Timeout: timeout}
		}
	}
	return r
}

// check says whether the printed line reads as the request.
func check(t *testing.T, r wire.Request, o Options) {
	t.Helper()
	line := Command(&r, o)
	words, err := split(line)
	if err != nil {
		t.Fatalf("%s\nis no safe line: %v", line, err)
	}
	if len(words) < 2 || words[0] != "weir" || words[1] != "query" {
		t.Fatalf("%s\nis another command", line)
	}
	got, options, err := read(words[2:])
	if err != nil {
		t.Fatalf("%s\ndoes not parse: %v", line, err)
	}
	if o.Directory == "" && len(o.Servers) == 0 {
		// Whether a server is there decides about live; both must read alike.
		if strings.Contains(line, "--live") != untilNow(r.Last) && !r.Live {
			t.Errorf("%s\nleaves live to the machine", line)
		}
	}
	for i := range o.Servers {
		o.Servers[i] = strings.ReplaceAll(o.Servers[i], "\x00", "\ufffd")
	}
	o.Directory = strings.ReplaceAll(o.Directory, "\x00", "\ufffd")
	if diff := cmp.Diff(meaning(r), *got); diff != "" {
		t.Errorf("%s\nreads as another request (-want +got):\n%s", line, diff)
	}
	if diff := cmp.Diff(o, options); diff != "" {
		t.Errorf("%s\nasks elsewhere (-want +got):\n%s", line, diff)
	}
	for _, c := range line {
		if !unicode.IsPrint(c) || unicode.Is(unicode.M, c) {
			t.Errorf("%q in the line %q does not print", c, line)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		request wire.Request
		options Options
		want    string
	}{
		{wire.Request{Query: "sip,dip", Ifaces: "eth0"}, Options{Directory: "/var/lib/weir"},
			`weir query -d /var/lib/weir -i eth0 sip,dip`},
		{wire.Request{Query: "sip", Ifaces: "any,!lo", Live: true}, Options{Servers: []string{"https://a:8145", "unix:/run/weir/probe.sock"}},
			`weir query --server https://a:8145 --server unix:/run/weir/probe.sock -i 'any,!lo' sip`},
		{wire.Request{Query: "sip", Ifaces: "any"}, Options{Servers: []string{"a:8145"}},
			`weir query --server a:8145 -i any --live=false sip`},
		{wire.Request{Query: "sip", Ifaces: "any", Last: "-1h", Live: true}, Options{Servers: []string{"a:8145"}},
			`weir query --server a:8145 -i any -l -1h --live sip`},
		{wire.Request{Query: "sip", Ifaces: "any"}, Options{}, `weir query -i any --live=false sip`},
		{wire.Request{Query: "time,proto", Ifaces: "any"}, Options{Directory: "x"}, `weir query -d x -i any -f -30d --resolution none time,proto`},
		{wire.Request{Query: "time,proto", Ifaces: "any", First: "-1h", TimeResolution: "5m"}, Options{Directory: "x"}, `weir query -d x -i any -f -1h time,proto`},
		{wire.Request{Query: "raw", Ifaces: "/^eth/", Condition: "dport = 80 & host = it's", NumResults: 5, SortBy: "packets", SortAscending: true,
			In: true, Out: true, Sum: true, First: "2026-11-20 05:00", TimeResolution: "auto", Merge: true, Series: true, Other: true,
			QueryHosts: "any", QueryHostsResolverType: "string", DNSResolution: &wire.DNSResolution{Timeout: 3 * time.Second}}, Options{Directory: "x"},
			`weir query -d x -i /^eth/ -c 'dport = 80 & host = it'\''s' -f '2026-11-20 05:00' -n 5 -s packets -a --in --out --sum --resolution auto --merge --series --other -q any --hosts-resolver string --lookup-timeout 3s raw`},
		{wire.Request{Query: "sip/24,dip/48", Ifaces: "any", First: "-1h", Compare: "1d", Explain: true, Seen: true, Enrich: true, Actors: &wire.Actors{List: "scanners"}}, Options{Directory: "x"},
			`weir query -d x -i any -f -1h --compare 1d --actors @scanners --explain --seen --enrich sip/24,dip/48`},
		{wire.Request{Query: "sip", Ifaces: "any", Actors: &wire.Actors{Set: []string{"192.0.2.1", "2001:db8::/32", "$(id)"}}}, Options{Directory: "x"},
			`weir query -d x -i any --actors '192.0.2.1,2001:db8::/32,$(id)' sip`},
		{wire.Request{Query: "-h", Ifaces: "$(reboot)\n\x1b[2J!é'", Condition: "`x`"}, Options{Directory: "x"},
			`weir query -d x -i $'$(reboot)\012\033[2J\041é\047' -c '` + "`x`" + `' -- -h`},
	} {
		want := strings.ReplaceAll(test.want, "-i /^eth/", "-i '/^eth/'")
		if diff := cmp.Diff(want, Command(&test.request, test.options)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		check(t, test.request, test.options)
	}
}

// nasty are pieces of texts that mean something to somebody: shells, terminals, flags.
var nasty = []string{"", " ", "-", "--", "-1h", "'", `"`, "`id`", "$(id)", "$HOME", "\\", "\\'", "!", "!!", "\n", "\r\n", "\x1b[31m",
	"\x00", "\xff", "\u202e", "é", "水", "e\u0301", ";", "|", "&", ">", "<", "*", "?", "[a]", "{a,b}", "~", "#", "=", "==", "%", "^", ",",
	"sip", "dip,dport", "time", "raw", "any", "now", "any,!lo", "/eth[0-9]/", "none", "5m", "--server", "\t", "\u2028", "\ufffd", "'\\''"}

func TestCommandReadsBack(t *testing.T) {
	random := testenv.Random(t)
	text := func() string {
		var b strings.Builder
		for range random.IntN(4) {
			b.WriteString(nasty[random.IntN(len(nasty))])
		}
		return b.String()
	}
	flip := func() bool { return random.IntN(2) == 0 }
	for range 5000 {
		r := wire.Request{Query: text(), Ifaces: text(), Condition: text(), First: text(), Last: text(), TimeResolution: text(),
			SortBy: text(), QueryHosts: text(), QueryHostsResolverType: text(), SortAscending: flip(), In: flip(), Out: flip(), Sum: flip(),
			Merge: flip(), Series: flip(), Other: flip(), Live: flip(), Explain: flip(), Seen: flip(), Compare: text(), Dedupe: []string{"", "max"}[random.IntN(2)], Actors: parseActors(text()), NumResults: random.Int64N(3) * random.Int64()}
		if flip() {
			r.DNSResolution = &wire.DNSResolution{Timeout: time.Duration(random.Int64N(int64(time.Minute)))}
		}
		if r.TimeResolution == noBin { // the command line's own word
			r.TimeResolution = ""
		}
		var o Options
		switch random.IntN(3) {
		case 0:
			o.Servers = []string{text() + "a", text()}
		case 1:
			o.Directory = text()
		}
		check(t, r, o)
		if t.Failed() {
			t.FailNow()
		}
	}
}

func FuzzCommand(f *testing.F) {
	f.Add("time,sip", "eth0", "dport = 80 & sip != ::1", "-1h", "", "5m", "bytes", int64(3), "a:8145", true)
	f.Add("'$(id)\n", "\x1b", "\xff\u202e!", "--", "now", "auto", "", int64(-1), "", false)
	f.Fuzz(func(t *testing.T, query, ifaces, condition, first, last, bin, sort string, limit int64, server string, live bool) {
		if bin == noBin {
			t.Skip()
		}
		o := Options{Servers: []string{server}}
		if server == "" {
			o = Options{Directory: "x"}
		}
		check(t, wire.Request{Query: query, Ifaces: ifaces, Condition: condition, First: first, Last: last, TimeResolution: bin,
			SortBy: sort, NumResults: limit, Live: live}, o)
	})
}

// TestQuoteInShells lets real shells read what Quote writes.
func TestQuoteInShells(t *testing.T) {
	words := append([]string{strings.Join(nasty, "")}, nasty...)
	var line strings.Builder
	var want strings.Builder
	for _, w := range words {
		line.WriteString(" " + Quote(w))
		want.WriteString(strings.ReplaceAll(w, "\x00", "\ufffd") + "\n.\n")
	}
	found := false
	for _, shell := range []string{"bash", "zsh", "ksh", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		found = true
		arguments := []string{"-c", `printf '%s\n.\n'` + line.String()}
		if shell == "busybox" {
			arguments = append([]string{"ash"}, arguments...)
		}
		output, err := exec.Command(path, arguments...).Output()
		if err != nil {
			t.Errorf("%s: %v", shell, err)
		}
		if diff := cmp.Diff(want.String(), string(output)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", shell, diff)
		}
	}
	if !found {
		t.Skip("TestQuoteInShells: none of the shells is installed")
	}
}

func TestRequestDefaults(t *testing.T) {
	for line, want := range map[string]wire.Request{
		"-i eth0 sip":                      {Query: "sip", Ifaces: "eth0"},
		"-i eth0 time":                     {Query: "time", Ifaces: "eth0", First: "-1d", TimeResolution: "5m"},
		"-i eth0 -f -2h time":              {Query: "time", Ifaces: "eth0", First: "-2h", TimeResolution: "5m"},
		"-i eth0 raw":                      {Query: "raw", Ifaces: "eth0", First: "-1d", TimeResolution: "5m"},
		"-i eth0 --resolution 1h time,sip": {Query: "time,sip", Ifaces: "eth0", First: "-1d", TimeResolution: "1h"},
		"-i eth0 --resolution none time":   {Query: "time", Ifaces: "eth0", First: "-1d"},
		"--server a -i eth0 sip":           {Query: "sip", Ifaces: "eth0", Live: true},
		"--server a -i eth0 -l now sip":    {Query: "sip", Ifaces: "eth0", Last: "now", Live: true},
		"-i eth0 -r sip":                   {Query: "sip", Ifaces: "eth0", DNSResolution: &wire.DNSResolution{Enabled: true}},
		"-i eth0 --dns-resolution.enabled --dns-resolution.max-rows 9 --dns-resolution.timeout 2s sip": {Query: "sip", Ifaces: "eth0",
			DNSResolution: &wire.DNSResolution{Enabled: true, MaxRows: 9, Timeout: 2 * time.Second}},
		"-i eth0 -k 5s --memory.max-pct 30 --memory.low-mode sip": {Query: "sip", Ifaces: "eth0", KeepAlive: 5 * time.Second, MaxMemPct: 30, LowMem: true},
		"--server a -i eth0 -l -1h sip":                           {Query: "sip", Ifaces: "eth0", Last: "-1h"},
		"--server a --live=false -i eth0 sip":                     {Query: "sip", Ifaces: "eth0"},
		"-i eth0 --limit 1000 -s bytes sip":                       {Query: "sip", Ifaces: "eth0", NumResults: 1000, SortBy: "bytes"},
		// goQuery's own names
		"--query.server.addr a --ifaces eth0 --condition x --first 1 --last 2 --results.limit 3 --sort.by packets --sort.ascending --query.time-resolution 10m --query.hosts-resolution any --query.hosts-resolver-type string --dns-resolution.timeout 2s time": {
			Query: "time", Ifaces: "eth0", Condition: "x", First: "1", Last: "2", NumResults: 3, SortBy: "packets", SortAscending: true,
			TimeResolution: "10m", QueryHosts: "any", QueryHostsResolverType: "string", DNSResolution: &wire.DNSResolution{Timeout: 2 * time.Second}},
	} {
		got, _, err := read(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func TestRequestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"-i eth0 -n 0 sip":               "--limit 0",
		"-i eth0 --resolution 5m sip":    "time,sip",
		"-i eth0 --live=perhaps sip":     "perhaps",
		"-i eth0 --lookup-timeout x sip": "lookup-timeout",
	} {
		if _, _, err := read(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
}

// TestStored reads stored queries as goQuery does: their members win, the rest comes from flags and argument.
func TestStored(t *testing.T) {
	for _, test := range []struct {
		stored, line string
		want         wire.Request
		fault        string
	}{
		{`{"query":"sip,dip","ifaces":"eth0","query_hosts":"hX","condition":"dport=53","in":true,"first":"-2h","last":"-1h","format":"csv","sort_by":"packets","num_results":9}`,
			"--server a -i any -c proto=6 -n 3 -f -9h -q hY --out talk_conv",
			wire.Request{Query: "sip,dip", Ifaces: "eth0", QueryHosts: "hX", Condition: "dport=53", In: true, Out: true, First: "-2h", Last: "-1h",
				Format: "csv", SortBy: "packets", NumResults: 9}, ""},
		{`{"query":"time"}`, "--server a -i any -n 3 sip", wire.Request{Query: "time", Ifaces: "any", NumResults: 3, First: "-1d", TimeResolution: "5m", Live: true}, ""},
		{`{"query":"time","time_resolution":"1h","live":false,"dns_resolution":{"max_rows":4}}`, "--server a -i any -r --resolution 10m sip",
			wire.Request{Query: "time", Ifaces: "any", First: "-1d", TimeResolution: "1h", DNSResolution: &wire.DNSResolution{Enabled: true, MaxRows: 4}}, ""},
		{`{}`, "-i any sip", wire.Request{Query: "sip", Ifaces: "any"}, ""},
		{`{"condition":null}`, "-i any -c proto=6 sip", wire.Request{Query: "sip", Ifaces: "any", Condition: "proto=6"}, ""},
		{`{"quary":"sip"}`, "-i any sip", wire.Request{}, "query"},
		{`{"num_results":"9"}`, "-i any sip", wire.Request{}, "num_results"},
		{`[]`, "-i any sip", wire.Request{}, "no JSON object"},
		{`{"query":`, "-i any sip", wire.Request{}, "no JSON object"},
	} {
		set := pflag.NewFlagSet("query", pflag.ContinueOnError)
		f := Flags{Stored: []byte(test.stored)}
		f.Register(set)
		if err := set.Parse(strings.Fields(test.line)); err != nil {
			t.Fatal(err)
		}
		got, err := f.Request(set.Arg(0), len(f.Servers) > 0)
		if test.fault != "" {
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s: error %v, want one with %q", test.stored, err, test.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.stored, err)
			continue
		}
		if diff := cmp.Diff(test.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.stored, diff)
		}
	}
}

func TestNames(t *testing.T) {
	set := pflag.NewFlagSet("query", pflag.ContinueOnError)
	new(Flags).Register(set)
	names := "," + strings.Join(Names(set), ",") + ","
	for _, name := range []string{"ifaces", "limit", "results.limit", "server"} {
		if !strings.Contains(names, ","+name+",") {
			t.Errorf("%s is missing in %s", name, names)
		}
	}
	if strings.Contains(names, "query.timeout") {
		t.Error("an alias of a flag that is not defined")
	}
}
