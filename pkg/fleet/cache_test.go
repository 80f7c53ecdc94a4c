package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// versioned is a host that names the version of its data, answers by it, and counts.
type versioned struct {
	version string
	rows    int
	state   wire.State
	old     bool // does not know if_version
	err     error
	asked   int
	checks  int
}

func (v *versioned) Query(_ context.Context, r *wire.Request) (*wire.Result, error) {
	v.asked++
	if v.err != nil {
		return nil, v.err
	}
	status := wire.Status{Code: wire.CodeOK, State: v.state}
	result := &wire.Result{Hostname: "web", Status: status, HostsStatuses: map[string]wire.Status{"web": status}}
	result.Summary.DataVersion = v.version
	if r.IfVersion != "" {
		v.checks++
		if v.old {
			return nil, &client.Error{Kind: client.KindUser, Status: 422}
		}
		if result.Unchanged = r.IfVersion == v.version; result.Unchanged {
			return result, nil
		}
	}
	result.Summary.Stats.BlocksProcessed = 7
	result.Rows = make([]wire.Row, v.rows)
	return result, nil
}

func (v *versioned) Catalog(context.Context) (*wire.Catalog, error) { return &wire.Catalog{}, nil }
func (v *versioned) Probe(context.Context) error                    { return nil }

type roleKey struct{}

// testCache is a cache with a clock and a role that the test sets, at noon.
func testCache(t *testing.T, bytes int64) (*Cache, *time.Time) {
	t.Helper()
	clock := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	cfg := DefaultCacheConfig()
	cfg.Bytes = bytes
	c, err := NewCache(cfg, CacheDeps{
		Now:  func() time.Time { return clock },
		Role: func(ctx context.Context) string { role, _ := ctx.Value(roleKey{}).(string); return role },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := prometheus.NewPedanticRegistry().Register(c); err != nil {
		t.Fatal(err)
	}
	return c, &clock
}

// until asks about a day up to a time.
func until(last time.Time) *wire.Request {
	return &wire.Request{Query: "sip", Ifaces: "any", First: strconv.FormatInt(last.Unix()-86399, 10), Last: strconv.FormatInt(last.Unix(), 10)}
}

var midnight = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

func TestWhatIsCached(t *testing.T) {
	for what, test := range map[string]struct {
		change func(*wire.Request)
		host   versioned
		asked  int // by three questions in a row
	}{
		"a closed day":                   {nil, versioned{version: "1"}, 1},
		"an empty one":                   {nil, versioned{version: "1", state: wire.StateEmpty}, 1},
		"by another client":              {func(r *wire.Request) { r.Caller = strconv.Itoa(int(time.Now().UnixNano())) }, versioned{version: "1"}, 1},
		"without a version (goProbe v4)": {nil, versioned{}, 3},
		"a partial answer":               {nil, versioned{version: "1", state: wire.StatePartial}, 3},
		"no data":                        {nil, versioned{version: "1", state: wire.StateNoData}, 3},
		"a second of today":              {func(r *wire.Request) { r.Last = strconv.FormatInt(midnight.Unix()+1, 10) }, versioned{version: "1"}, 3},
		"a time in words":                {func(r *wire.Request) { r.Last = "-1d" }, versioned{version: "1"}, 3},
		"live":                           {func(r *wire.Request) { r.Live = true }, versioned{version: "1"}, 3},
		"explain":                        {func(r *wire.Request) { r.Explain = true }, versioned{version: "1"}, 3},
		"names":                          {func(r *wire.Request) { r.DNSResolution = &wire.DNSResolution{Enabled: true} }, versioned{version: "1"}, 3},
		"an error":                       {nil, versioned{err: errors.New("down")}, 3},
	} {
		c, _ := testCache(t, 1<<20)
		h := c.Client(&test.host)
		for range 3 {
			r := until(midnight)
			if test.change != nil {
				test.change(r)
			}
			if _, err := h.Query(t.Context(), r); !errors.Is(err, test.host.err) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if test.host.asked != test.asked {
			t.Errorf("%s: the host was asked %d times, want %d", what, test.host.asked, test.asked)
		}
	}
}

func TestCacheKeysAndChecks(t *testing.T) {
	c, clock := testCache(t, 1<<20)
	web, db := &versioned{version: "1", rows: 3}, &versioned{version: "1"}
	hosts := []Client{c.Client(web), c.Client(db)}
	ask := func(host int, role string, r *wire.Request) *wire.Result {
		t.Helper()
		result, err := hosts[host].Query(context.WithValue(t.Context(), roleKey{}, role), r)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	other := until(midnight)
	other.Condition = "dport = 443"
	ask(0, "query", until(midnight))
	ask(0, "query", other)
	ask(0, "admin", until(midnight))
	ask(1, "query", until(midnight))
	if web.asked != 3 || db.asked != 1 {
		t.Errorf("asked %d and %d times: host, question and role are not kept apart", web.asked, db.asked)
	}
	hit := ask(0, "query", until(midnight))
	if web.asked != 3 || !hit.Status.Cached || !hit.HostsStatuses["web"].Cached || len(hit.Rows) != 3 || hit.Summary.Stats != (wire.Stats{}) {
		t.Errorf("asked %d times: %+v", web.asked, hit)
	}
	hit.Rows[0].Labels.Host, hit.HostsStatuses["web"] = "changed", wire.Status{}
	if again := ask(0, "query", until(midnight)); again.Rows[0].Labels.Host != "" || !again.HostsStatuses["web"].Cached {
		t.Error("what a caller changes is in the next answer")
	}
	*clock = clock.Add(2 * time.Minute)
	if checked := ask(0, "query", until(midnight)); web.checks != 1 || len(checked.Rows) != 3 || checked.Unchanged || !checked.Status.Cached {
		t.Errorf("%d checks: %+v", web.checks, checked)
	}
	ask(0, "query", until(midnight))
	if web.asked != 4 {
		t.Errorf("asked %d times: a check is not remembered", web.asked)
	}
	*clock = clock.Add(2 * time.Minute)
	web.version, web.rows = "2", 5 // late data
	if late := ask(0, "query", until(midnight)); len(late.Rows) != 5 || late.Status.Cached || web.asked != 5 {
		t.Errorf("asked %d times: %+v", web.asked, late)
	}
	*clock = clock.Add(2 * time.Minute)
	web.err = errors.New("down")
	if _, err := hosts[0].Query(context.WithValue(t.Context(), roleKey{}, "query"), until(midnight)); err == nil {
		t.Error("a host that is down is answered for without a word")
	}
	web.err, web.old = nil, true // an older release in its place
	if old := ask(0, "query", until(midnight)); len(old.Rows) != 5 || old.Status.Cached {
		t.Errorf("%+v", old)
	}
	want := map[string]float64{"hit": 3, "checked": 1, "miss": 6}
	for outcome, n := range want {
		if got := testutil.ToFloat64(c.metrics.lookups.WithLabelValues(outcome)); got != n {
			t.Errorf("%v %s, want %v", got, outcome, n)
		}
	}
	if _, ok := hosts[0].(Prober); !ok {
		t.Error("a host that can be asked for a sign of life cannot be any more")
	}
}

func TestYesterdayIsNotClosedAtMidnight(t *testing.T) {
	c, clock := testCache(t, 1<<20)
	web := &versioned{version: "1"}
	h := c.Client(web)
	for _, minutes := range []int{0, 9} {
		*clock = midnight.Add(time.Duration(minutes) * time.Minute)
		_, _ = h.Query(t.Context(), until(midnight))
	}
	*clock = midnight.Add(10 * time.Minute)
	_, _ = h.Query(t.Context(), until(midnight))
	_, _ = h.Query(t.Context(), until(midnight))
	if web.asked != 3 {
		t.Errorf("asked %d times, want 3", web.asked)
	}
}

func TestCacheIsBounded(t *testing.T) {
	const bytes = 1 << 20
	c, _ := testCache(t, bytes)
	web := &versioned{version: "1", rows: 300}
	h := c.Client(web)
	for i := range 100 {
		r := until(midnight)
		r.Condition = fmt.Sprintf("dport = %d", i)
		_, _ = h.Query(t.Context(), r)
		if c.bytes > bytes || c.bytes != int64(testutil.ToFloat64(c.metrics.bytes)) {
			t.Fatalf("%d bytes", c.bytes)
		}
		if len(c.kept) != c.order.Len() {
			t.Fatalf("%d, %d", len(c.kept), c.order.Len())
		}
		first := until(midnight) // used all the time, so it stays
		first.Condition = "dport = 0"
		_, _ = h.Query(t.Context(), first)
	}
	if web.asked != 100 {
		t.Errorf("asked %d times: what is used is forgotten", web.asked)
	}
	web.rows = 10_000
	r := until(midnight)
	r.Condition = "dport = 500"
	before := len(c.kept)
	_, _ = h.Query(t.Context(), r)
	if len(c.kept) != before {
		t.Error("an answer that is too large is kept")
	}
}

// fill sets every member that a type has, so that a copy can be compared with it.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(value, depth)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[netip.Addr]() {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth+1)
			}
		}
	}
}

// shared names what two values both point to.
func shared(a, b reflect.Value, path string) (found []string) {
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				found = append(found, path+" is missing")
			}
			return found
		}
		if a.Pointer() == b.Pointer() {
			return []string{path}
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		return shared(a.Elem(), b.Elem(), path)
	case reflect.Slice:
		return shared(a.Index(0), b.Index(0), path+"[]")
	case reflect.Map:
		for _, key := range a.MapKeys() {
			found = append(found, shared(a.MapIndex(key), b.MapIndex(key), path+"{}")...)
		}
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() || a.Type() == reflect.TypeFor[netip.Addr]() {
			return nil
		}
		for i := range a.NumField() {
			found = append(found, shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)...)
		}
	}
	return found
}

func TestCopiesShareNothing(t *testing.T) {
	original := new(wire.Result)
	fill(reflect.ValueOf(original).Elem(), 0)
	if original.Summary.Accounting == nil || original.Rows[0].Before == nil || original.Query.Lookups == nil {
		t.Fatal("not everything is filled")
	}
	copied := clone(original)
	if !reflect.DeepEqual(original, copied) {
		t.Error("the copy is another result")
	}
	for _, path := range shared(reflect.ValueOf(original), reflect.ValueOf(copied), "result") {
		t.Errorf("the copy shares %s: see clone", path)
	}
	if size := sizeOf(original); size < 4<<10 || size > 64<<10 {
		t.Errorf("its size is %d bytes", size)
	}
}
