package arrowipc

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

// Answers as Arrow streams, decoded and merged.
func BenchmarkMergeArrow(b *testing.B) {
	q := prepare(b, wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any", Merge: true, NumResults: 25})
	const rows = 30_000
	var stream bytes.Buffer
	if err := Write(&stream, q, randomResult(rand.New(rand.NewPCG(4, 1)), q, rows)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m := wire.NewMerger(q)
		for range 10 {
			decoded, err := Read(bytes.NewReader(stream.Bytes()), rows)
			if err != nil {
				b.Fatal(err)
			}
			m.Add(decoded)
		}
		m.Result()
	}
	b.ReportMetric(float64(b.N)*10*rows/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
