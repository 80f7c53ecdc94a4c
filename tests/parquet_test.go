//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/devtool"
	"github.com/weirflow/weir/internal/testenv"
)

// TestParquetExport: DuckDB reads the same sums from exported Parquet as weir query from the store; a second export
// of the same leaves the files alone.
func TestParquetExport(t *testing.T) {
	if !devtool.HaveNode() {
		t.Skip(noNode)
	}
	if err := devtool.ComparePackages(context.Background(), testenv.Root()); err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	weir := binary(t, clientProgram)
	flows, stored, out := filepath.Join(directory, "flows.csv"), filepath.Join(directory, "store"), filepath.Join(directory, "out")
	if err := os.WriteFile(flows, []byte(randomFlows(t, 20_000, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, patience, exec.Command(weir, "db", "import", "-d", stored, "--csv", flows))
	succeed(t, patience, exec.Command(weir, "db", "export", "-d", stored, "--parquet", out, "--host", "alpha"))

	answer := succeed(t, patience, exec.Command(weir, "query", "-d", stored, "-i", "any", "--merge", "-f", "1", "-n", "1000000",
		"-e", "json", "iface,sip,dip,dport,proto"))
	var result struct {
		Rows []struct {
			Labels     struct{ Iface string }
			Attributes struct {
				Sip, Dip     string
				Dport, Proto int
			}
			Counters map[string]uint64
		}
	}
	if err := json.Unmarshal([]byte(answer), &result); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range result.Rows {
		want = append(want, fmt.Sprintln(r.Labels.Iface, r.Attributes.Sip, r.Attributes.Dip, r.Attributes.Dport, r.Attributes.Proto,
			r.Counters["br"], r.Counters["bs"], r.Counters["pr"], r.Counters["ps"], r.Counters["ca"], r.Counters["cr"], r.Counters["rtt_ns"]))
	}
	input, _ := json.Marshal(map[string]string{"name": "sums", "sql": `SELECT iface, sip, dip, dport, proto, sum(bytes_received)::VARCHAR AS br,
		sum(bytes_sent)::VARCHAR AS bs, sum(packets_received)::VARCHAR AS pr, sum(packets_sent)::VARCHAR AS ps, sum(attempts)::VARCHAR AS ca,
		sum(rejects)::VARCHAR AS cr, sum(rtt_sum_ns)::VARCHAR AS rtt FROM FLOWS WHERE host = 'alpha' GROUP BY ALL`})
	command := duckDB("ask", filepath.Join(out, "alpha", "*.parquet"), "1")
	command.Stdin = strings.NewReader(string(input) + "\n")
	var table struct {
		Rows []struct {
			Iface, Sip, Dip             string
			Dport, Proto                int
			Br, Bs, Pr, Ps, Ca, Cr, Rtt string
		}
	}
	if err := json.Unmarshal([]byte(succeed(t, patience, command)), &table); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range table.Rows {
		got = append(got, fmt.Sprintln(r.Iface, r.Sip, r.Dip, r.Dport, r.Proto, r.Br, r.Bs, r.Pr, r.Ps, r.Ca, r.Cr, r.Rtt))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 1000 || !slices.Equal(got, want) {
		t.Errorf("DuckDB has %d groups, weir %d, or their sums differ; first %v and %v", len(got), len(want), first(got), first(want))
	}
	if r := runCommand(t, patience, exec.Command(weir, "db", "export", "-d", stored, "--parquet", out, "--host", "alpha")); r.code != 0 {
		t.Errorf("a second export ends with %d: %s", r.code, r.stderr)
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0]
}

// randomFlows is CSV of rows over days, both families, with all counters.
func randomFlows(t testing.TB, rows, days int) string {
	r := testenv.Random(t)
	lines := []string{"time,iface,sip,dip,dport,proto,packets sent,data vol. sent,packets received,data vol. received,attempts,accepts,rejects,rtt sum,rtt n"}
	for i := range rows {
		end := 1767225600 + 300*(1+i*288*days/rows)
		source, destination := fmt.Sprintf("10.0.%d.%d", r.IntN(3), r.IntN(20)), fmt.Sprintf("198.51.100.%d", r.IntN(50))
		if r.IntN(4) == 0 {
			source, destination = fmt.Sprintf("2001:db8::%x", 1+r.IntN(30)), fmt.Sprintf("2001:db8:1::%x", 1+r.IntN(9))
		}
		protocol := []int{6, 17, 1}[r.IntN(3)]
		lines = append(lines, fmt.Sprintf("%d,eth%d,%s,%s,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d", end, r.IntN(2), source, destination,
			[]int{0, 22, 443, 2048}[r.IntN(4)], protocol, r.IntN(100), r.IntN(1<<20), r.IntN(100), r.IntN(1<<20),
			r.IntN(3), r.IntN(2), r.IntN(2), r.IntN(1e9), r.IntN(3)))
	}
	return strings.Join(lines, "\n") + "\n"
}
