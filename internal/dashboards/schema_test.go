package dashboards

import (
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What the schema says otherwise than Grafana 12.3: members that it has not yet, and members that it asks for although
// Grafana fills them in.
var (
	newer  = []string{"wrapHeaderText", "wrapText", "layoutAlgorithm"}
	filled = []string{"current.text", "current.value", "options.frameIndex", "custom.inspect"}
)

var (
	unexpected = regexp.MustCompile(`: unexpected field '(` + strings.Join(newer, "|") + `)'$`)
	missing    = regexp.MustCompile(`\.(` + strings.ReplaceAll(strings.Join(filled, "|"), ".", `\.`) + `): required field is missing from input$`)
)

// TestSchema holds the dashboards against the schema that Grafana makes its own libraries from: no member that it does
// not know, every member of its type, every value one that is allowed.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, d := range All() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range schemaFaults(text) {
			t.Errorf("%s: %s", d.UID, fault)
		}
		for _, spoil := range [][2]string{{`"schemaVersion": \d+`, `"schemaVersion": "x"`}, {`"uid":`, `"oid":`}, {`"gridPos":`, `"place":`}} {
			wrong := regexp.MustCompile(spoil[0]).ReplaceAll(text, []byte(spoil[1]))
			if len(schemaFaults(wrong)) == 0 {
				t.Errorf("%s: %s instead of %s is no fault", d.UID, spoil[1], spoil[0])
			}
		}
	}
}

// schemaFaults lists what the schema has against a dashboard.
func schemaFaults(text []byte) (faults []string) {
	var read dashboard.Dashboard //nolint:staticcheck // these dashboards are of the first model, which every Grafana reads
	for _, err := range []error{read.UnmarshalJSONStrict(text), read.Validate()} {
		if err == nil {
			continue
		}
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSpace(line); !unexpected.MatchString(line) && !missing.MatchString(line) {
				faults = append(faults, line)
			}
		}
	}
	return faults
}
