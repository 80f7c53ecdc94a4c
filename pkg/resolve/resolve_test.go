package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirflow/weir/internal/dnsstub"
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newResolver(t *testing.T, s *dnsstub.Server, change func(*Config)) (*Resolver, *clock) {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	c := &clock{now: time.Unix(1795238520, 0)}
	r, err := New(cfg, Deps{Dial: s.Dial, Now: c.read})
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func address(text string) netip.Addr { return netip.MustParseAddr(text) }

func reverse(last int) string {
	return dnsstub.Reverse(netip.AddrFrom4([4]byte{192, 0, 2, byte(last)}))
}

func TestNames(t *testing.T) {
	s := dnsstub.Run(t)
	s.Set(reverse(1), 300, dnsstub.PTR("web.example."))
	s.Set(reverse(2), 300, dnsstub.PTR("zulu.example."), dnsstub.PTR("alpha.example."))
	s.Set(reverse(4), 300, dnsstub.PTR("\x1b[31mred.example."), dnsstub.PTR("<script>.example."), dnsstub.PTR("=cmd.example."), dnsstub.PTR("a\nb.example."))
	s.Set(dnsstub.Reverse(address("2001:db8::1")), 300, dnsstub.PTR("six.example."))
	r, _ := newResolver(t, s, nil)
	names, late := r.Names(t.Context(), []netip.Addr{
		address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3"), address("192.0.2.4"), address("2001:db8::1"),
		address("::ffff:192.0.2.1"), address("0.0.0.0"), {},
	})
	want := map[netip.Addr]string{
		address("192.0.2.1"): "web.example", address("192.0.2.2"): "alpha.example", address("2001:db8::1"): "six.example",
		address("::ffff:192.0.2.1"): "web.example",
	}
	if diff := cmp.Diff(want, names, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || late != 0 {
		t.Errorf("late %d, names (-want +got):\n%s", late, diff)
	}
}

func TestAddresses(t *testing.T) {
	s := dnsstub.Run(t)
	s.Set("www.example.", 300, dnsstub.A(address("192.0.2.9")), dnsstub.A(address("192.0.2.1")), dnsstub.A(address("2001:db8::1")))
	r, _ := newResolver(t, s, nil)
	for _, name := range []string{"www.example", "WWW.example"} {
		got, err := r.Addresses(t.Context(), name)
		if want := "[192.0.2.1 192.0.2.9 2001:db8::1]"; err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", name, got, err, want)
		}
	}
	asked := s.Asked()
	for range 2 {
		if got, err := r.Addresses(t.Context(), "none.example"); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("none.example: %v, %v", got, err)
		}
	}
	if more := s.Asked() - asked; more == 0 || more > 4 { // A and AAAA, in each search domain
		t.Errorf("%d questions about a name that is not there", more)
	}
}

// TestLifetimes asks again after a while: within what the DNS says the cache answers, bounded from both sides.
func TestLifetimes(t *testing.T) {
	s := dnsstub.Run(t)
	s.Set(reverse(1), 300, dnsstub.PTR("minutes.example."))
	s.Set(reverse(2), 0, dnsstub.PTR("never.example."))
	s.Set(reverse(3), 1<<20, dnsstub.PTR("days.example."))
	for _, test := range []struct {
		last       int
		remembered time.Duration // and no longer
		tcp        bool
	}{
		{1, 300 * time.Second, false}, {1, 300 * time.Second, true}, {2, 10 * time.Second, false},
		{3, time.Hour, false}, {77, 60 * time.Second, false}, {77, 60 * time.Second, true},
	} {
		s.Truncate(test.tcp)
		r, c := newResolver(t, s, nil)
		look := func() int64 {
			before := s.Asked()
			if _, err := r.Name(t.Context(), address(fmt.Sprintf("192.0.2.%d", test.last))); err != nil {
				t.Error(err)
			}
			return s.Asked() - before
		}
		first := look()
		c.advance(test.remembered - time.Second)
		second := look()
		c.advance(time.Second)
		if third := look(); first == 0 || second != 0 || third == 0 {
			t.Errorf("%+v: %d, %d, %d questions, want some, none, some", test, first, second, third)
		}
	}
}

func TestFailureIsRemembered(t *testing.T) {
	s := dnsstub.Run(t)
	s.Fail(dnsmessage.RCodeServerFailure)
	r, c := newResolver(t, s, nil)
	for range 2 {
		if names, late := r.Names(t.Context(), []netip.Addr{address("192.0.2.1")}); len(names) != 0 || late != 1 {
			t.Errorf("%v, %d late", names, late)
		}
	}
	asked := s.Asked()
	s.Fail(dnsmessage.RCodeSuccess)
	s.Set(reverse(1), 300, dnsstub.PTR("web.example."))
	if r.Name(t.Context(), address("192.0.2.1")); s.Asked() != asked {
		t.Error("asked again at once after a failure")
	}
	c.advance(6 * time.Second)
	if name, err := r.Name(t.Context(), address("192.0.2.1")); name != "web.example" || err != nil {
		t.Errorf("%q, %v after the failure is forgotten", name, err)
	}
}

// TestOnce lets many ask for the same address at once, and others for many.
func TestOnce(t *testing.T) {
	s := dnsstub.Run(t)
	release := s.Hold()
	s.Set(reverse(1), 300, dnsstub.PTR("web.example."))
	r, _ := newResolver(t, s, func(c *Config) { c.Concurrency = 3 })
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if name, err := r.Name(t.Context(), address("192.0.2.1")); name != "web.example" || err != nil {
				t.Errorf("%q, %v", name, err)
			}
		})
	}
	group.Go(func() {
		var many []netip.Addr
		for i := range 40 {
			many = append(many, address(fmt.Sprintf("192.0.2.%d", 100+i)))
		}
		if _, late := r.Names(t.Context(), many); late != 0 {
			t.Errorf("%d late", late)
		}
	})
	release()
	group.Wait()
	if asked := s.Asked(); asked != 41 {
		t.Errorf("%d questions, want 1 and 40", asked)
	}
	if most := s.MostAtOnce(); most > 3 {
		t.Errorf("%d lookups at once, want at most 3", most)
	}
}

// TestCallerLeaves finds the answer of a lookup later that its caller did not wait for.
func TestCallerLeaves(t *testing.T) {
	s := dnsstub.Run(t)
	release := s.Hold()
	s.Set(reverse(1), 300, dnsstub.PTR("web.example."))
	r, _ := newResolver(t, s, func(c *Config) { c.Concurrency = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	names, late := r.Names(ctx, []netip.Addr{address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3")})
	if len(names) != 0 || late != 3 {
		t.Errorf("%v, %d late", names, late)
	}
	release()
	if name, err := r.Name(t.Context(), address("192.0.2.1")); name != "web.example" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if asked := s.Asked(); asked != 1 {
		t.Errorf("%d questions, want 1: those that had no turn ask nobody", asked)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Name(gone, address("192.0.2.9")); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int, int](100)
	now := time.Unix(1000, 0)
	for i := range 10000 {
		f, mine := c.join(i, now)
		if !mine {
			t.Fatalf("%d is known before it was looked up", i)
		}
		c.finish(i, f, entry[int]{value: i, until: now.Add(time.Hour)})
		if f := c.known(7, now); i >= 7 && (f == nil || f.entry.value != 7) {
			t.Fatal("what is asked for all the time was forgotten")
		}
	}
	if n := len(c.young) + len(c.old); n > 100 || len(c.flights) != 0 {
		t.Errorf("%d entries, %d lookups on their way", n, len(c.flights))
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"concurrency": func(c *Config) { c.Concurrency = 0 }, "cache": func(c *Config) { c.CacheSize = 0 },
		"timeout": func(c *Config) { c.Timeout = 0 }, "ttl": func(c *Config) { c.MinTTL = 2 * time.Hour },
		"negative": func(c *Config) { c.MinTTL = -1 }, "failure": func(c *Config) { c.FailureTTL = -1 },
	} {
		cfg := DefaultConfig()
		if change(&cfg); cfg == DefaultConfig() {
			t.Fatal(name)
		}
		if _, err := New(cfg, Deps{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzLifetime reads foreign bytes as answers.
func FuzzLifetime(f *testing.F) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("a."), Class: dnsmessage.ClassINET, TTL: 1 << 31}, Body: dnsstub.PTR("b.")},
	}}
	packed, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		var l lifetime
		l.hear(message)
		if ttl, ok := l.get(); ttl < 0 || !ok && ttl != 0 {
			t.Errorf("%v, %v", ttl, ok)
		}
	})
}
