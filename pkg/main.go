// Command gpx_weir is the backend of Grafana's data source weirflow-weir-datasource; Grafana starts it.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/weirflow/weir/pkg/plugin"
)

func main() {
	if err := datasource.Manage("weirflow-weir-datasource", plugin.New, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("serve the plugin", "error", err)
		os.Exit(1)
	}
}
