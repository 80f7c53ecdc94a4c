package wire

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever is decoded quickly is what encoding/json makes of it.
func FuzzRowDecodesAlike(f *testing.F) {
	for i := range sample().Rows {
		b, err := AppendRow(nil, &sample().Rows[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, text := range []string{
		`{}`, `{"labels":{},"attributes":{},"counters":{}}`, `{"labels":{"timestamp":"2026-11-20T05:05:00Z","iface":"eth0"},"attributes":{"sip":"10.0.0.1","dport":443,"proto":6,"verdict":"n/a"},"counters":{"br":18446744073709551615}}`,
		`{"counters":{"br":18446744073709551616}}`, `{"counters":{"br":01}}`, `{"counters":{"br":1.5}}`, `{"attributes":{"dport":65536}}`, `{"attributes":{"sip":"10.0.0.1/24"}}`,
		`{"attributes":{"sip":""}}`, `{"attributes":{"sip/24":"10.0.0.0/24"}}`, `{"labels":{"host_labels":{"a":"b"}}}`, `{"labels":{"iface":"\u0041"}}`, `{"labels":{"timestamp":"2026-11-20T05:05:00+01:00"}}`,
		`{"labels":null}`, `{"before":{"br":1},"before":{"bs":2},"attributes":{"proto":1},"attributes":{"dport":2}}`, `{"Labels":{"iface":"x"}}`, `{"before":{},"before":null}`, `{"labels":{"iface":"a","iface":"b"},}`, `{"counters":{"br":1e3}}`, `{"attributes":{"verdict":"odd"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		type plain Row // without methods
		var want plain
		var got Row
		wantErr, gotErr := json.Unmarshal(data, &want), json.Unmarshal(data, &got)
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("%s: %v, want %v", data, gotErr, wantErr)
		}
		if diff := cmp.Diff(Row(want), got, compareAddresses); wantErr == nil && diff != "" {
			t.Fatalf("%s: %s", data, diff)
		}
	})
}
