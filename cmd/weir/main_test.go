package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirflow/weir/internal/dnsstub"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// now is the time of all scripts.
var now = time.Date(2026, 11, 21, 5, 22, 0, 0, time.UTC)

func nowInTests() time.Time { return now }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"weir": func() {
			a := standard()
			a.now = func() time.Time { return now }
			a.socket, a.directory = os.Getenv("SOCKET"), os.Getenv("STORE")
			a.dialDNS = func(ctx context.Context, network, _ string) (net.Conn, error) { // never the network's
				return new(net.Dialer).DialContext(ctx, network, os.Getenv("DNS"))
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := a.run(ctx, os.Args[1:])
			stop()
			os.Exit(code)
		},
	})
}

// TestScripts runs testdata/*.txt, which document the command line by example. Beside testscript's own commands
// there are
//
//	mkstore DIR                      makes a store of four intervals and two interfaces
//	hostile DIR                      adds an interface with a name that means harm
//	probe VARIABLE DIR [TOKEN]       serves the store over HTTP, with a current interval, and sets the variable to the address
//	probe unix:PATH DIR              the same on a socket
//	stub VARIABLE PATH=FILE...       serves files
//	dns NAME=ADDR...                 answers names and the names of addresses; of several names the first belongs to the address
//	mkgodb DIR                       makes a goProbe database of the same rows
//	lockstore DIR                    keeps a store open for writing
//	spoil FILE                       changes a byte in the middle of a file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOCKET", filepath.Join(e.WorkDir, "probe.sock"))
			e.Setenv("HOSTILE", "sip\x1b[31m\u202e")
			e.Setenv("STORE", filepath.Join(e.WorkDir, "default"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"mkstore": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(makeStore(ts.MkAbs(args[0]))) },
			"hostile": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(appendTo(ts.MkAbs(args[0]), hostileName, 1, rows()[:1]))
			},
			"probe": startProbe,
			"stub":  startStub,
			"dns":   startDNS,
			"mkgodb": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(makeGoDB(ts.MkAbs(args[0])))
			},
			"lockstore": lockStore,
			"spoil":     spoil,
		},
	})
}

// hostileName would start a formula in a spreadsheet and write to a terminal.
const hostileName = "=cmd|'/C x'\x1b[31m"

func record(source, destination string, port uint16, protocol flow.Protocol, c flow.Counters) flow.Record {
	s, family := flow.AddressFrom(netip.MustParseAddr(source))
	d, _ := flow.AddressFrom(netip.MustParseAddr(destination))
	return flow.Record{Key: flow.Key{Source: s, Destination: d, DestinationPort: port, Protocol: protocol, Family: family}, Counters: c}
}

// rows are what happens in every interval.
func rows() []flow.Record {
	return []flow.Record{
		record("10.0.0.1", "10.0.0.2", 443, flow.TCP, flow.Counters{BytesReceived: 1 << 20, BytesSent: 5 << 20, PacketsReceived: 1000, PacketsSent: 4000}),
		record("10.0.0.1", "10.0.0.3", 53, flow.UDP, flow.Counters{BytesReceived: 800, BytesSent: 1600, PacketsReceived: 10, PacketsSent: 10}),
		record("fd77::1", "fd77::2", 128<<8, flow.ICMPv6, flow.Counters{BytesReceived: 118, BytesSent: 118, PacketsReceived: 1, PacketsSent: 1}),
	}
}

func makeStore(path string) error {
	if err := appendTo(path, "eth0", 4, rows()); err != nil {
		return err
	}
	return appendTo(path, "eth1", 4, []flow.Record{
		record("192.168.77.1", "192.168.77.2", 22, flow.TCP, flow.Counters{BytesReceived: 3000, PacketsReceived: 20}),
	})
}

// appendTo writes count intervals, of which the last ends at 05:20.
func appendTo(path, iface string, count int, records []flow.Record) error {
	// A program that another script starts meanwhile would hold the store's lock until it executes.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	s, err := store.Open(store.Config{Path: path}, store.Deps{})
	if err != nil {
		return err
	}
	defer s.Close() // appended blocks are durable already
	for i := range count {
		end := now.Add(-2*time.Minute - time.Duration(count-1-i)*5*time.Minute).Unix()
		if err := s.Append(context.Background(), iface, interval(end, 5*time.Minute, uint64(i+1)), records); err != nil {
			return err
		}
	}
	return nil
}

// openStore opens a store for writing. Until a process that another script starts at this moment has replaced its
// image, it shares the lock of a store that was just closed; that is waited for.
func openStore(path string) (*store.Store, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s, err := store.Open(store.Config{Path: path}, store.Deps{})
		var locked *vfs.LockedError
		if !errors.As(err, &locked) || time.Now().After(deadline) {
			return s, err
		}
	}
}

func interval(end int64, length time.Duration, sequence uint64) flow.Interval {
	return flow.Interval{End: end, Duration: length, Boot: [16]byte{1}, Sequence: sequence,
		Accounting: flow.Accounting{Received: 5030, Metered: 5022, Issues: [flow.IssueCount]uint64{flow.IssueNotIP: 8}}}
}

// current is the interval that is being counted on eth0.
type current struct{}

func (current) Interfaces(context.Context) ([]string, error) { return []string{"eth0"}, nil }

func (current) Coverage(context.Context, string) (int64, int64, error) { return 0, 0, nil }

func (current) Scan(_ context.Context, iface string, first, last int64, visit query.Visit) (query.ScanStats, error) {
	end := now.Add(3 * time.Minute).Unix()
	if iface != "eth0" || end < first || end > last {
		return query.ScanStats{}, nil
	}
	return query.ScanStats{}, visit(interval(end, 2*time.Minute, 5), []flow.Record{
		record("10.0.0.9", "10.0.0.2", 443, flow.TCP, flow.Counters{BytesReceived: 64 << 20, PacketsReceived: 50000}),
	})
}

// startProbe serves what a probe serves, as far as the command line asks for it.
func startProbe(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(store.Config{Path: ts.MkAbs(args[1]), ReadOnly: true}, store.Deps{})
	ts.Check(err)
	name := strings.ToLower(args[0])
	if strings.HasPrefix(name, "unix:") {
		name = "local"
	}
	mux, err := probeHandler(name, s)
	ts.Check(err)
	handler := mux
	if len(args) > 2 {
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+args[2] {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			mux.ServeHTTP(w, r)
		})
	}
	server := httptest.NewUnstartedServer(handler)
	if path, ok := strings.CutPrefix(args[0], "unix:"); ok {
		server.Listener.Close()
		server.Listener, err = net.Listen("unix", ts.MkAbs(path))
		ts.Check(err)
	}
	server.Start()
	ts.Defer(func() { server.Close(); s.Close() }) // it was only read
	ts.Setenv(args[0], server.URL)
}

// probeHandler is what a probe of that name serves, with a store and a current interval.
func probeHandler(name string, s *store.Store) (http.Handler, error) {
	engine, err := query.New(query.DefaultConfig(), query.Deps{Stored: query.Stored(s), Live: current{}, Host: name, HostID: s.HostID(),
		Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/info", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"name":"weir-probe","version":"1.2.3"}`)
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status_code":200,"started_at":"2026-11-21T05:00:00Z","last_writeout":"2026-11-21T05:20:01Z","host":"`+name+`","statuses":{
			"eth0":{"started_at":"2026-11-21T05:00:00Z","received_total":70120,"processed_total":70088,"issues":{"not_ip":32},"flows":1,
			"capturing":true,"first":"2026-11-21T05:00:00Z","last":"2026-11-21T05:20:00Z"}}}`)
	})
	mux.HandleFunc("GET /_catalog", func(w http.ResponseWriter, _ *http.Request) {
		catalog := wire.Catalog{Kind: "probe", Host: name, HostID: s.HostID(), Labels: map[string]string{"site": "New York"}, Now: now}
		names, _ := s.Interfaces() // the script sees what is missing
		for _, iface := range names {
			first, last, _ := s.Coverage(iface) // the script sees what is missing
			catalog.Interfaces = append(catalog.Interfaces, wire.CatalogInterface{Name: iface, First: unix(first), Last: unix(last), Capturing: iface == "eth0"})
		}
		json.NewEncoder(w).Encode(catalog) // the script sees what is missing
	})
	streams, err := serve.New(serve.DefaultConfig(), serve.Deps{Querier: querier{engine}, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	mux.Handle("POST /_query/sse", streams.Handler())
	mux.Handle("/_actors/", streams.Handler())
	mux.Handle("/_actors", streams.Handler())
	mux.HandleFunc("POST /_query", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err == nil && bytes.Contains(body, []byte("in @")) { // lists are the server's; its answers differ in their trace ids
			streams.Handler().ServeHTTP(w, r)
			return
		}
		answer(w, r, engine)
	})
	return mux, nil
}

// querier is the engine as a server asks it.
type querier struct{ engine *query.Engine }

func (q querier) Query(ctx context.Context, asked *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	if progress != nil {
		progress(&wire.Result{HostsStatuses: map[string]wire.Status{"alpha": {Code: wire.CodeOK}, "beta": {Code: wire.CodeError}}})
	}
	return q.engine.Query(ctx, asked)
}

func (querier) Catalog(context.Context) (*wire.Catalog, error) { return &wire.Catalog{}, nil }

// startDNS runs a DNS server. Without it lookups fail at once.
func startDNS(ts *testscript.TestScript, _ bool, args []string) {
	server := dnsstub.New()
	ts.Check(server.Start())
	ts.Defer(server.Close)
	seen := make(map[string]bool)
	for _, pair := range args {
		name, text, _ := strings.Cut(pair, "=")
		a := netip.MustParseAddr(text)
		server.Set(name+".", 300, dnsstub.A(a))
		if !seen[text] {
			server.Set(dnsstub.Reverse(a), 300, dnsstub.PTR(name+"."))
		}
		seen[text] = true
	}
	ts.Setenv("DNS", server.Address())
}

func answer(w http.ResponseWriter, r *http.Request, engine *query.Engine) {
	request, err := wire.DecodeRequest(r.Body, wire.DefaultBodyLimit)
	var q *wire.Query
	if err == nil {
		q, err = request.Prepare(now)
	}
	if err != nil {
		w.Header().Set("Content-Type", wire.ProblemType)
		w.WriteHeader(http.StatusUnprocessableEntity)
		json.NewEncoder(w).Encode(err) // the script sees what is missing
		return
	}
	result, err := engine.Query(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	result.WriteJSON(w) // the script sees what is missing
}

// startStub serves files under paths, whatever the method.
func startStub(ts *testscript.TestScript, _ bool, args []string) {
	mux := http.NewServeMux()
	for _, pair := range args[1:] {
		path, file, _ := strings.Cut(pair, "=")
		text := ts.ReadFile(file)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if text == "" {
				w.WriteHeader(http.StatusNoContent)
			}
			fmt.Fprint(w, text)
		})
	}
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}
