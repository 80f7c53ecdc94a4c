package godb

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// TestFlowgen makes the database that imports are measured with: WEIR_GODB_CSV names a file of flowgen, WEIR_GODB_OUT
// the directory to write to, as goProbe would have (LZ4, with its fault).
func TestFlowgen(t *testing.T) {
	source, root := os.Getenv("WEIR_GODB_CSV"), os.Getenv("WEIR_GODB_OUT")
	if source == "" || root == "" {
		t.Skip("TestFlowgen: WEIR_GODB_CSV and WEIR_GODB_OUT are not set")
	}
	f, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	days := map[string]*testDay{}
	stats, err := ReadCSV(context.Background(), f, CSVConfig{}, func(iface string, iv flow.Interval, records []flow.Record) error {
		day := iv.End / secondsPerDay * secondsPerDay
		d := days[iface]
		if d != nil && d.day != day {
			d.save(t, root, iface)
			d = nil
		}
		if d == nil {
			d = &testDay{day: day, encoder: encoderLZ4, bug: true}
			days[iface] = d
		}
		d.add(testBlock{end: iv.End, records: records})
		d.blocks[len(d.blocks)-1].records = append([]flow.Record(nil), d.blocks[len(d.blocks)-1].records...)
		return nil
	})
	if err != nil || stats.Bad > 0 {
		t.Fatal(err, stats)
	}
	for iface, d := range days {
		d.save(t, root, iface)
	}
	t.Logf("%d rows in %s", stats.Rows, filepath.Clean(root))
}
