//go:build linux

package api

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// BenchmarkQueryOverHTTP reports what a query that returns 25 rows takes in the engine, and what carrying it adds: over
// a kept connection of loopback, from the request to the last byte. The two alternate, so that both see the same load;
// on a busy machine the client's and the server's turns to run count too, which processor time leaves out.
func BenchmarkQueryOverHTTP(b *testing.B) {
	r := newRig(b, options{})
	const body = `{"query":"sip,dip,dport,proto","ifaces":"any","first":"-1h","last":"1795241400","num_results":25}`
	request := &wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any", First: "-1h", Last: "1795241400", NumResults: 25}
	var engine, whole []time.Duration
	var engineCPU, wholeCPU time.Duration
	for b.Loop() {
		began, cpu := time.Now(), testenv.CPUTime()
		q, err := request.Prepare(present)
		if err != nil {
			b.Fatal(err)
		}
		result, err := r.agent.Query(b.Context(), q, nil)
		if err != nil || len(result.Rows) != 25 {
			b.Fatalf("%v, %d rows", err, len(result.Rows))
		}
		engine = append(engine, time.Since(began))
		engineCPU += testenv.CPUTime() - cpu
		began, cpu = time.Now(), testenv.CPUTime()
		response, err := http.Post(r.query+"/_query", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
			b.Fatal(response.Status, err)
		}
		response.Body.Close()
		whole = append(whole, time.Since(began))
		wholeCPU += testenv.CPUTime() - cpu
	}
	slices.Sort(engine)
	slices.Sort(whole)
	b.ReportMetric(milliseconds(engine[len(engine)/2]), "ms-engine")
	b.ReportMetric(milliseconds(whole[len(whole)/2]), "ms-over-HTTP")
	b.ReportMetric(milliseconds(whole[len(whole)/2]-engine[len(engine)/2]), "ms-added")
	b.ReportMetric(milliseconds(wholeCPU-engineCPU)/float64(b.N), "cpu-ms-added")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
