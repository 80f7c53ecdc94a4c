package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// top25 is an answer as most panels get it.
func top25() *wire.Result {
	r := result(25)
	now := time.Unix(1_795_238_400, 0).UTC()
	r.Summary.TimeFirst, r.Summary.TimeLast = now.Add(-time.Hour), now
	for i := range r.Rows {
		a := &r.Rows[i].Attributes
		a.Source, a.Destination = netip.AddrFrom4([4]byte{10, 1, byte(i), 7}), netip.MustParseAddr(fmt.Sprintf("2001:db8:7::%x", i))
		a.DestinationPort, a.Protocol = uint16(443+i), flow.TCP
		r.Rows[i].Counters = wire.Counters{BytesReceived: 123456789 * uint64(i+1), BytesSent: 98765 * uint64(i+3), PacketsReceived: 4711, PacketsSent: 815}
	}
	return r
}

// BenchmarkCarry is what carrying a query of 25 rows takes beside the engine: over a kept connection of loopback, from the
// request to the last byte, both ends in this process.
func BenchmarkCarry(b *testing.B) {
	answer := top25()
	querier := fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) { return answer, nil }}
	s, err := New(insecure(), Deps{Querier: querier, Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry(),
		Now: func() time.Time { return time.Unix(1_795_241_400, 0) }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := s.Listen(ctx); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	const body = `{"query":"sip,dip,dport,proto","ifaces":"any","first":"-1h","last":"1795241400","num_results":25}`
	client := &http.Client{Transport: &http.Transport{}}
	b.ReportAllocs()
	done := testenv.ReportCPU(b)
	for b.Loop() {
		response, err := client.Post(base(s)+"/_query", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(response.Status, err)
		}
		response.Body.Close()
	}
	done()
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
