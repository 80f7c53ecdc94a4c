package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// A panel that shows answers while hosts still answer subscribes to a channel of its own, run/ID, whose data are the
// query and its range; see src/datasource.ts. Whatever is refused here, the front end asks again as a plain query, and
// that one says what is wrong.
const (
	streamPath = "run/"
	// streamFirst is how long the first partial answer waits: most queries are answered by then, and a panel that is
	// refreshed does not fall back to a part of what it showed.
	streamFirst = time.Second
	// streamEvery is the least time between two partial answers.
	streamEvery = 250 * time.Millisecond
	// streamLasting ends a stream whose panel nobody looks at any more; Grafana says so late.
	streamLasting = 5 * time.Minute
	// streamsAtOnce bounds the streams of a data source.
	streamsAtOnce = 64
)

var _ backend.StreamHandler = (*DataSource)(nil)

// streamData is the part of a subscription's data that is Grafana's.
type streamData struct {
	RefID         string  `json:"refId"`
	From          int64   `json:"from"` // milliseconds since 1970
	To            int64   `json:"to"`
	IntervalMS    float64 `json:"intervalMs"`
	MaxDataPoints int64   `json:"maxDataPoints"`
}

// SubscribeStream lets a panel watch a query that can be streamed. Whoever may query the data source may.
func (d *DataSource) SubscribeStream(ctx context.Context, r *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	status := backend.SubscribeStreamStatusOK
	if _, err := d.streamed(ctx, r.Path, r.Data); err != nil || d.streams.Load() >= streamsAtOnce {
		status = backend.SubscribeStreamStatusNotFound
	}
	return &backend.SubscribeStreamResponse{Status: status}, nil
}

// PublishStream refuses: nobody sends anything here.
func (d *DataSource) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream sends the answers so far and at last the answer, which is that of the plain query. It never returns an
// error: Grafana would start it again.
func (d *DataSource) RunStream(ctx context.Context, r *backend.RunStreamRequest, sender *backend.StreamSender) error {
	d.streams.Add(1)
	defer d.streams.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, streamLasting)
	defer cancel()
	send := func(frame *data.Frame) error { return sender.SendFrame(frame, data.IncludeAll) }
	d.stream(ctx, cancel, r.Path, r.Data, send)
	return nil
}

func (d *DataSource) stream(ctx context.Context, stop func(), path string, text json.RawMessage, send func(*data.Frame) error) {
	last := &lastFrame{send: send, stop: stop, now: d.now, started: d.now()}
	defer func() {
		if r := recover(); r != nil {
			last.end(failedFrame(broken(ctx, path, r)))
		}
	}()
	q, err := d.streamed(ctx, path, text)
	if err == nil {
		q.show = last.show
		var list data.Frames
		if list, err = q.answer(ctx); err == nil {
			last.end(list[0])
			return
		}
	}
	last.end(failedFrame(refused(err).Error))
}

// streamed is the question of a subscription. A message holds one frame, so that only answers of one can be streamed.
func (d *DataSource) streamed(ctx context.Context, path string, text json.RawMessage) (*question, error) {
	if id, ok := strings.CutPrefix(path, streamPath); !ok || id == "" {
		return nil, errors.New("no such channel: queries are run/ID")
	}
	var head streamData
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, plain(err)
	}
	q, err := d.question(ctx, backend.DataQuery{
		RefID: head.RefID, JSON: text, MaxDataPoints: head.MaxDataPoints,
		Interval:  time.Duration(head.IntervalMS * float64(time.Millisecond)),
		TimeRange: backend.TimeRange{From: time.UnixMilli(head.From).UTC(), To: time.UnixMilli(head.To).UTC()},
	}, false)
	if err != nil {
		return nil, err
	}
	if q.query.QueryType != typeTable && q.query.QueryType != typeSeries || q.query.Debug {
		return nil, errors.New("only tables and time series without debugging are streamed")
	}
	return q, nil
}

// partial makes frames of partial answers for whoever watches; nil: nobody does.
func (q *question) partial(shown func(*wire.Result) *answer) func(*wire.Result) {
	if q.show == nil {
		return nil
	}
	return func(result *wire.Result) {
		a := shown(result)
		done, total := 0, len(result.HostsStatuses)
		for _, status := range result.HostsStatuses {
			if frames.StateOf(status) != wire.StateSkipped {
				done++
			}
		}
		q.describe(a, min(done, total-1), total) // the last frame alone is complete
		q.show(a.frames)
	}
}

// failedFrame ends a stream with an error: the front end shows it as that of a query.
func failedFrame(err error) *data.Frame {
	text := frames.OneLine(err.Error())
	frame := data.NewFrame("")
	frame.SetMeta(&data.FrameMeta{
		Custom:  frames.Details{Done: 1, Total: 1, Error: text},
		Notices: []data.Notice{{Severity: data.NoticeSeverityError, Text: text}},
	})
	return frame
}

// lastFrame sends frames at the pace of people, and none behind the last one.
type lastFrame struct {
	send func(*data.Frame) error
	stop func()
	now  func() time.Time

	mu            sync.Mutex
	started, sent time.Time
	ended         bool
}

func (l *lastFrame) show(list data.Frames) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.ended || now.Sub(l.started) < streamFirst || now.Sub(l.sent) < streamEvery {
		return
	}
	l.sent = now
	if l.send(list[0]) != nil {
		l.ended = true
		l.stop() // nobody listens
	}
}

func (l *lastFrame) end(frame *data.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		_ = l.send(frame) // nobody is left to tell
	}
	l.ended = true
}
