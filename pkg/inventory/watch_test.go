package inventory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// changing is a source whose answer a test changes.
type changing struct {
	name    string
	answer  atomic.Pointer[func(context.Context) (*List, error)]
	changed chan struct{}
}

func (c *changing) Name() string                               { return c.name }
func (c *changing) Load(ctx context.Context) (*List, error)    { return (*c.answer.Load())(ctx) }
func (c *changing) Changed() <-chan struct{}                   { return c.changed }
func (c *changing) set(f func(context.Context) (*List, error)) { c.answer.Store(&f) }
func (c *changing) hosts(names ...string) {
	list := &List{}
	for _, n := range names {
		list.Entries = append(list.Entries, Entry{Name: n, URL: "https://" + n})
	}
	c.set(func(context.Context) (*List, error) { return list, nil })
}

func names(entries []Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

func TestWatcherKeepsTheLastGoodList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &changing{name: "a", changed: make(chan struct{})}, &changing{name: "b"}
		a.hosts("a1")
		b.hosts("b1", "b2")
		var told []string
		w, err := NewWatcher(DefaultConfig(), []Watched{{a, time.Hour}, {b, time.Minute}}, Deps{
			Failed: func(source string, err error) { told = append(told, fmt.Sprint(source, ": ", err)) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []string
		go w.Run(ctx, func(entries []Entry) { got = append(got, names(entries)) })
		synctest.Wait()

		b.set(func(context.Context) (*List, error) { return nil, errors.New("no route") })
		time.Sleep(3*time.Minute + time.Second) // of the bubble
		synctest.Wait()
		if h := w.Health(); h[1].Hosts != 2 || h[1].Error != "no route" || h[0].Error != "" || time.Since(h[1].Loaded) < 3*time.Minute {
			t.Errorf("%+v", h)
		}
		b.set(func(ctx context.Context) (*List, error) { <-ctx.Done(); return nil, ctx.Err() }) // hangs
		time.Sleep(2 * time.Minute)
		a.hosts("a1", "a2")
		a.changed <- struct{}{} // at once, not in an hour
		synctest.Wait()
		b.hosts()
		w.Refresh(ctx)
		if diff := cmp.Diff([]string{"a1 b1 b2", "a1 a2 b1 b2", "a1 a2"}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"b: no route", "b: context deadline exceeded", "b: <nil>"}, told); diff != "" {
			t.Error(diff)
		}
		if h := w.Health(); h[1].Error != "" || h[1].Hosts != 0 {
			t.Errorf("%+v", h)
		}
	})
}

func TestHTTP(t *testing.T) {
	answer := func(w http.ResponseWriter) { fmt.Fprint(w, `[{"targets":["10.0.0.1:8145"],"labels":{"site":"fra"}}]`) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.URL.RawQuery != "x=1" {
			t.Errorf("asked %v %v", r.URL, r.Header)
		}
		answer(w)
	}))
	defer s.Close()
	source := HTTP{URL: s.URL + "/sd?x=1", Client: s.Client(), Token: "secret"}
	list, err := source.Load(t.Context())
	if err != nil || len(list.Entries) != 1 || list.Entries[0].Labels["site"] != "fra" {
		t.Errorf("%+v, %v", list, err)
	}
	for want, wrong := range map[string]func(http.ResponseWriter){
		"status 503":       func(w http.ResponseWriter) { w.WriteHeader(503) },
		"no JSON list":     func(w http.ResponseWriter) { fmt.Fprint(w, "- targets: [a]") },
		"longer than":      func(w http.ResponseWriter) { w.Write([]byte("[" + strings.Repeat(" ", MaxBytes) + "]")) },
		"nested deeper":    func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat("[", 9999)) },
		"expected a list ": func(w http.ResponseWriter) { fmt.Fprint(w, `["a"]`) },
	} {
		answer = wrong
		if _, err := source.Load(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestSRV(t *testing.T) {
	source := SRV{Service: "_weir._tcp.example", Defaults: Defaults{Scheme: "http", Groups: []string{"dns"}}, Lookup: func(_ context.Context, name string) ([]*net.SRV, error) {
		if name != "_weir._tcp.example" {
			t.Errorf("looks up %s", name)
		}
		return []*net.SRV{{Target: "a.example.", Port: 8145}, {Target: "b.example.", Port: 1}, {Target: "b.example.", Port: 2}, {Target: "localhost.", Port: 1}, {Target: "."}}, nil
	}}
	list, err := source.Load(t.Context())
	want := []Entry{
		{Name: "a.example", URL: "http://a.example:8145", Groups: []string{"dns"}, Discovered: true},
		{Name: "b.example:1", URL: "http://b.example:1", Groups: []string{"dns"}, Discovered: true},
		{Name: "b.example:2", URL: "http://b.example:2", Groups: []string{"dns"}, Discovered: true},
	}
	if diff := cmp.Diff(want, list.Entries); diff != "" || err != nil || list.FaultCount != 1 {
		t.Errorf("%s %v %v", diff, list.Faults, err)
	}
}
