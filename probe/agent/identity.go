package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/telemetry"
	"github.com/weirflow/weir/pkg/version"
)

// RuntimeID tells this process from every other one, in goProbe's form: the host's id and a hash of when it started.
// A query that comes back with it went round in a circle.
func (a *Agent) RuntimeID() string {
	start := sha256.Sum256(append(a.boot[:], a.started.UTC().Format(time.RFC3339Nano)...))
	return strings.ReplaceAll(a.hostID, "-", "") + "_" + hex.EncodeToString(start[:])
}

// Resource is who the spans of this probe come from.
func (a *Agent) Resource() telemetry.Resource {
	return telemetry.Resource{Service: "weir-probe", Version: version.String(), Host: a.host, HostID: a.hostID}
}
