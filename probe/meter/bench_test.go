package meter

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

type nullSink struct{}

func (nullSink) Append(context.Context, string, flow.Interval, []flow.Record) error { return nil }

// BenchmarkMeter is the whole path of a packet from memory: read, decode, add. Beside it stands what reading alone
// costs.
func BenchmarkMeter(b *testing.B) {
	frames := udps(0, 2000)
	passes := max(b.N/len(frames), 1)
	b.Run("read", func(b *testing.B) {
		source := capture.NewReplay(frames, passes)
		buffer := make([]capture.Frame, batch)
		for b.Loop() {
			for n := 0; n < batch; {
				got, err := source.Read(buffer)
				if errors.Is(err, io.EOF) {
					source = capture.NewReplay(frames, passes)
				}
				n += got
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/packet")
	})
	b.Run("meter", func(b *testing.B) {
		cfg := DefaultConfig()
		cfg.Interface = "eth0"
		m, err := New(cfg, Deps{Source: capture.NewReplay(frames, -1), Sink: nullSink{}})
		if err != nil {
			b.Fatal(err)
		}
		l := newLoop(m)
		l.start = time.Now()
		l.clock.begin(l.now())
		l.alarm = time.NewTimer(time.Hour)
		b.ReportAllocs()
		packets := 0
		for b.Loop() {
			n, err := m.deps.Source.Read(l.frames)
			if err != nil {
				b.Fatal(err)
			}
			l.handle(n)
			packets += n
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
	})
}
