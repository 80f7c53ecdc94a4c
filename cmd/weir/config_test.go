package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigSends compares what -f and -r send with what gpctl does: the interfaces of a file, in JSON or YAML, whole
// or the part of a configuration.
func TestConfigSends(t *testing.T) {
	const body = `{"Eth1":{"ignore_vlans":true,"promisc":false,"ring_buffer":{"block_size":2097152,"num_blocks":2},"extra_bpf_filters":[{"Op": 6, "Jt": 0, "Jf": 0, "K": 262144}],"disable":false},` +
		`"eth0":{"ignore_vlans":false,"promisc":true,"ring_buffer":{"block_size":1048576,"num_blocks":4},"extra_bpf_filters":null,"disable":false},` +
		`"eth2":{"ignore_vlans":false,"promisc":false,"ring_buffer":null,"extra_bpf_filters":null,"disable":true}}`
	const yamlFile = `db:
  path: /var/lib/weir
interfaces:
  eth0:
    promisc: true
    ring_buffer: {block_size: 1048576, num_blocks: 4}
  Eth1:
    ignore_vlans: true
    ring_buffer: {block_size: 2097152, num_blocks: 2}
    extra_bpf_filters: [{Op: 6, Jt: 0, Jf: 0, K: 262144}]
  eth2:
    disable: true
`
	var got []string
	answer := `{"status_code":200,"enabled":[{"name":"eth0","success":true}],"updated":[{"name":"Eth1","success":false}],"disabled":null}`
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body) // the test sees what is missing
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), text))
		fmt.Fprint(w, answer)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	run := func(arguments ...string) (code int, stdout, stderr string) {
		var out, complaints bytes.Buffer
		a := standard()
		a.stdout, a.stderr = &out, &complaints
		code = a.run(t.Context(), append([]string{"config", "--server", server.URL}, arguments...))
		return code, out.String(), complaints.String()
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"goprobe.yaml": yamlFile, "plain.json": body} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got = nil
		code, stdout, stderr := run("-f", path)
		if code != 0 || stdout != "Enabled: [eth0] Updated: [Eth1] Disabled: []\n" || stderr != "" {
			t.Errorf("%s: code %d, %q, %q", name, code, stdout, stderr)
		}
		var sent, want any
		if len(got) != 1 || !strings.HasPrefix(got[0], "PUT /config application/json {") {
			t.Fatalf("%s sends %q", name, got)
		}
		if err := errors.Join(json.Unmarshal([]byte(got[0][len("PUT /config application/json "):]), &sent), json.Unmarshal([]byte(body), &want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got = nil
	if code, stdout, _ := run("-r", "--silent"); code != 0 || stdout != "" || len(got) != 1 || got[0] != "POST /config/_reload  " {
		t.Errorf("reload: code %d, %q, %q", code, stdout, got)
	}
	answer = `{"enabled":[{"name":"e\u001b[2J","success":false}],"updated":[{"name":"eth1","success":false,"message":"no such\ninterface"}]}`
	code, stdout, stderr := run("-r", "--silent")
	if code != 1 || stdout != "Enabled: [e\\x1b[2J FAILED] Updated: [eth1 FAILED: no such interface] Disabled: []\n" || !strings.HasPrefix(stderr, "weir: 2 changes did not take effect\n") {
		t.Errorf("failures: code %d, %q, %q", code, stdout, stderr)
	}
}

func TestConfigFileFaults(t *testing.T) {
	for text, want := range map[string]string{
		"a: &a {promisc: true}\nb: *a": "anchors", "": "names no interface", "interfaces: {}": "names no interface", "eth0: {promics: true}": "promics", "eth0: [1]": "cannot unmarshal array",
		"eth0: {promisc: maybe}": "promisc", "{": "neither YAML nor JSON", "- a": "cannot unmarshal array", "\x00": "",
	} {
		if got, err := readInterfaces([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzReadInterfaces(f *testing.F) {
	f.Add([]byte("interfaces:\n  eth0: {promisc: true}\n"))
	f.Add([]byte(`{"eth0":{"ring_buffer":null}}`))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("interfaces:\n  eth0: {prSmisc: true, "))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			t.Skip()
		}
		wanted, err := readInterfaces(text)
		if (err == nil) == (len(wanted) == 0) {
			t.Errorf("%d interfaces, error %v", len(wanted), err)
		}
	})
}
