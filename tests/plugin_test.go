//go:build linux

package tests

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/demo/fleet"
	"github.com/weirflow/weir/demo/host"
)

// access is how callers get into a probe over TCP: its certificate, which signs itself, and a token.
type access struct {
	certificate, key string // paths
	ca, token        string
	tokens           string // the part of the configuration
}

func newAccess(t testing.TB) access {
	t.Helper()
	server := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	pair := server.TLS.Certificates[0]
	server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := access{certificate: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"),
		ca: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))}
	for path, text := range map[string]string{a.certificate: a.ca,
		a.key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.token, a.tokens = newToken(t)
	return a
}

// newToken makes a token as an operator does: `weir-probe token` prints it, and what to write into the configuration.
func newToken(t testing.TB) (token, tokens string) {
	t.Helper()
	text := succeed(t, patience, exec.Command(binary(t, probeProgram), "token", "--name", "e2e"))
	head, configuration, ok := strings.Cut(text, "api:\n")
	_, token, found := strings.Cut(strings.TrimSpace(head), ": ")
	if !ok || !found {
		t.Fatalf("weir-probe token prints no token and section api:\n%s", text)
	}
	return token, configuration
}

// listen is the entry of api.listen for an address.
func (a access) listen(address string) string {
	return fmt.Sprintf("tcp: %q, tls: {certificate: %s, key: %s}", address, a.certificate, a.key)
}

// source is a data source with one server.
func (a access) source(name, address string) host.DataSource {
	return dataSource([]fleet.Member{{Name: name, URL: "https://" + address}}, a.ca, a.token)
}

// dataSource is the plugin's configuration, as provisioning would give it.
func dataSource(servers []fleet.Member, ca, token string) host.DataSource {
	type server struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	var list []server
	for _, s := range servers {
		list = append(list, server(s))
	}
	settings, _ := json.Marshal(map[string]any{"servers": list, "timeoutSeconds": 30, "tlsAuthWithCACert": true}) // plain strings
	return host.DataSource{UID: "weir", Name: "Weir", JSONData: settings,
		SecureJSONData: map[string]string{"token": token, "tlsCACert": ca}}
}

// newPlugin is the built plugin's process, as Grafana would run it.
func newPlugin(t testing.TB, source host.DataSource) *host.Host {
	t.Helper()
	cfg := host.DefaultConfig()
	cfg.PluginBinary, cfg.DataSource = binary(t, pluginProgram), source
	h, err := host.New(cfg, host.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// ask runs panel queries over the last hour, by reference id.
func ask(t testing.TB, h *host.Host, queries map[string]map[string]any) map[string]backend.DataResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	now := time.Now()
	request := &backend.QueryDataRequest{}
	for id, query := range queries {
		query["version"], query["refId"] = 1, id
		text, err := json.Marshal(query)
		if err != nil {
			t.Fatal(err)
		}
		request.Queries = append(request.Queries, backend.DataQuery{RefID: id, JSON: text, MaxDataPoints: 500,
			TimeRange: backend.TimeRange{From: now.Add(-time.Hour), To: now.Add(2 * time.Second)}})
	}
	response, err := h.Client().QueryData(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses
}

// sum adds up a numeric field of a table.
func sum(t testing.TB, frames data.Frames, name string) (total uint64) {
	t.Helper()
	for _, frame := range frames {
		field, _ := frame.FieldByName(name)
		if field == nil {
			t.Fatalf("the frame has no field %q", name)
		}
		for i := range field.Len() {
			value, err := field.FloatAt(i)
			if err != nil {
				t.Fatal(err)
			}
			total += uint64(value)
		}
	}
	return total
}

// checkPlugin asks the plugin's process what was counted in all.
func checkPlugin(t *testing.T, source host.DataSource, want counts) {
	h := newPlugin(t, source)
	table := func(value string) map[string]any {
		return map[string]any{"queryType": "table", "interfaces": cableEnd, "attributes": []string{"iface", "proto"}, "value": value, "limit": 1000}
	}
	responses := ask(t, h, map[string]map[string]any{"bytes": table("bytes"), "packets": table("packets")})
	for id, r := range responses {
		if r.Error != nil {
			t.Fatalf("%s: %v", id, r.Error)
		}
	}
	bytes, packets := responses["bytes"].Frames, responses["packets"].Frames
	got := counts{PacketsReceived: sum(t, packets, "packets_received"), PacketsSent: sum(t, packets, "packets_sent"),
		BytesReceived: sum(t, bytes, "bytes_received"), BytesSent: sum(t, bytes, "bytes_sent")}
	if got != want {
		t.Errorf("the plugin's table: %s, want %s", got, want)
	}
}
