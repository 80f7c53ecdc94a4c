package gateway

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/inventory"
)

// docs/OPERATIONS.md names every metric of a gateway, and none that is not there.
func TestMetricsAreDocumented(t *testing.T) {
	cfg := Default()
	cfg.Inventory.Hosts = []inventory.Entry{{Name: "a", URL: "https://a.example"}}
	g, err := New(cfg, Deps{Logger: slog.New(slog.DiscardHandler), ReadFile: func(string, int64) ([]byte, error) { return nil, errors.New("none") }})
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 100)
	g.Collector().Describe(descriptions)
	close(descriptions)
	var want []string
	for d := range descriptions {
		want = append(want, regexp.MustCompile(`weir_[a-z_]+`).FindString(d.String()))
	}
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", "OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\| .(weir_(?:fleet|inventory|gateway)_[a-z_]+)`).FindAllSubmatch(text, -1) {
		got = append(got, string(m[1]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("documented are %v, there are %v", got, want)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(g.Collector())
	if families, err := registry.Gather(); err != nil || len(families) < 5 {
		t.Errorf("%d families, %v", len(families), err)
	}
}
