package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// lagging answers after a while.
type lagging struct {
	*fake
	after time.Duration
}

func (l lagging) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	select {
	case <-time.After(l.after):
		return l.fake.Query(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lateSource is a data source whose servers answer one after the other, on a clock that runs.
func lateSource(t *testing.T, every time.Duration, names ...string) *DataSource {
	t.Helper()
	settings := Settings{Timeout: time.Minute}
	var servers []server
	for i, name := range names {
		s := Server{Name: name, URL: "http://" + name}
		settings.Servers = append(settings.Servers, s)
		servers = append(servers, server{Server: s, client: lagging{newFake(name), time.Duration(i+1) * every}, close: func() error { return nil }})
	}
	d, err := newDataSource("weir", settings, servers, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// watch runs a stream and returns its frames with the time at which each came.
func watch(t *testing.T, d *DataSource, query string) (list []*data.Frame, came []time.Duration) {
	t.Helper()
	start := time.Now()
	d.stream(t.Context(), func() {}, "run/1", subscription(query), func(f *data.Frame) error {
		list, came = append(list, f), append(came, time.Since(start))
		return nil
	})
	return list, came
}

// subscription is what the front end sends.
func subscription(query string) json.RawMessage {
	now := time.Now()
	return json.RawMessage(fmt.Sprintf(`{"refId":"A","from":%d,"to":%d,"intervalMs":1000,"maxDataPoints":100,%s`,
		now.Add(-time.Hour).UnixMilli(), now.UnixMilli(), query[1:]))
}

// TestStream: the first partial answer comes after a second, then four per second at most; the last frame is complete
// and that of the plain query.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := strings.Fields("a b c d e f g h i j k l")
		d := lateSource(t, 150*time.Millisecond, names...)
		const query = `{"version":2,"attributes":["host"],"partial":true}`
		list, came := watch(t, d, query)
		if len(list) < 3 {
			t.Fatalf("%d frames", len(list))
		}
		for i, frame := range list {
			got := frame.Meta.Custom.(frames.Details)
			if last := i == len(list)-1; (got.Done == got.Total) != last || got.Total != len(names) {
				t.Errorf("frame %d of %d: %d of %d hosts", i, len(list), got.Done, got.Total)
			}
			if i < len(list)-1 && (came[i] < streamFirst || i > 0 && came[i]-came[i-1] < streamEvery) {
				t.Errorf("frame %d came after %s", i, came[i])
			}
			if rows := frame.Rows(); rows != got.Done && rows != len(names) {
				t.Errorf("frame %d has %d rows of %d hosts", i, rows, got.Done)
			}
		}
		if n := list[0].Meta.Notices; len(n) != 1 || !strings.Contains(n[0].Text, " of 12 hosts so far") {
			t.Errorf("notices of the first frame: %v", n)
		}
		plain := d.query(t.Context(), backend.DataQuery{JSON: []byte(query), TimeRange: backend.TimeRange{From: time.Now().Add(-time.Hour), To: time.Now()}}, false)
		if diff := cmp.Diff(table(t, plain.Frames[0]), table(t, list[len(list)-1])); plain.Error != nil || diff != "" {
			t.Errorf("last frame, error %v (-plain +streamed):\n%s", plain.Error, diff)
		}
	})
}

func table(t *testing.T, frame *data.Frame) string {
	t.Helper()
	text, err := frame.StringTable(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestStreamOfAQuickAnswerIsOneFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, _ := watch(t, lateSource(t, time.Millisecond, "a", "b"), `{"queryType":"timeseries","attributes":["sip"]}`)
		if len(list) != 1 || list[0].Meta.Type != data.FrameTypeTimeSeriesWide {
			t.Errorf("%d frames", len(list))
		}
	})
}

func TestStreamEndsWithTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := lateSource(t, time.Millisecond, "a")
		d.roster.list()[0].client.(lagging).err = errors.New("broken")
		list, _ := watch(t, d, `{"attributes":["host"]}`)
		if len(list) != 1 {
			t.Fatalf("%d frames", len(list))
		}
		got := list[0].Meta.Custom.(frames.Details)
		if got.Done != got.Total || !strings.Contains(got.Error, "no server answered: a (broken)") {
			t.Errorf("details %+v", got)
		}
	})
}

// TestStreamStopsWhenNobodyListens: a stream that can't be sent ends its query.
func TestStreamStopsWhenNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := lateSource(t, 2*time.Second, "a", "b", "c", "d")
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		d.stream(ctx, cancel, "run/1", subscription(`{"attributes":["host"]}`), func(*data.Frame) error { sent++; return errors.New("gone") })
		if sent != 1 || time.Since(start) > 3*time.Second {
			t.Errorf("%d frames were sent, it ended after %s", sent, time.Since(start))
		}
	})
}

func TestSubscriptions(t *testing.T) {
	d := sourceOf([]string{"a"}, newFake("a"))
	for _, test := range []struct {
		path, query string
		ok          bool
	}{
		{"run/1", `{"attributes":["sip"]}`, true},
		{"run/1", `{"queryType":"timeseries"}`, true},
		{"run/1", `{"queryType":"nodegraph"}`, false}, // of two frames
		{"run/1", `{"attributes":["sip"],"debug":true}`, false},
		{"run/1", `{"limit":-1}`, false},
		{"run/", `{"attributes":["sip"]}`, false},
		{"other", `{"attributes":["sip"]}`, false},
	} {
		response, err := d.SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{Path: test.path, Data: subscription(test.query)})
		if err != nil || (response.Status == backend.SubscribeStreamStatusOK) != test.ok {
			t.Errorf("%s %s: %v, %v", test.path, test.query, response.Status, err)
		}
	}
	if response, err := d.PublishStream(t.Context(), &backend.PublishStreamRequest{}); err != nil || response.Status != backend.PublishStreamStatusPermissionDenied {
		t.Errorf("publish: %v, %v", response.Status, err)
	}
	d.streams.Store(streamsAtOnce)
	response, _ := d.SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{Path: "run/1", Data: subscription(`{"attributes":["sip"]}`)})
	if response.Status == backend.SubscribeStreamStatusOK {
		t.Error("one stream more than there may be")
	}
}
