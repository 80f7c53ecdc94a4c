package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

func health(t *testing.T, d *DataSource) (result *backend.CheckHealthResult, verbose string) {
	t.Helper()
	result, err := d.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
	if err != nil {
		t.Fatalf("a health check never fails: %v", err)
	}
	if strings.Contains(result.Message, "\n") {
		t.Errorf("message of several lines: %q", result.Message)
	}
	var details struct{ Message, VerboseMessage string }
	if len(result.JSONDetails) > 0 {
		if err := json.Unmarshal(result.JSONDetails, &details); err != nil {
			t.Fatal(err)
		}
	}
	return result, details.VerboseMessage
}

func TestHealthOfAllServers(t *testing.T) {
	late := newFake("berlin")
	late.catalog.Now = noon.Add(-42 * time.Second)
	result, _ := health(t, sourceOf([]string{"amsterdam", "berlin"}, newFake("amsterdam"), late))
	want := "2 servers answer: amsterdam, berlin; berlin: its clock is 42s behind this machine's"
	if result.Status != backend.HealthStatusOk || result.Message != want {
		t.Errorf("%s: %q, want %q", result.Status, result.Message, want)
	}
}

// What a server turns out to be is said, whatever the settings call it.
func TestHealthSaysWhatItFound(t *testing.T) {
	gateway, sensor := newFake("gate"), newFake("old")
	gateway.info.Kind, gateway.catalog.Hosts = client.ServerGateway, []wire.CatalogHost{{Name: "a", State: wire.StateOK}, {Name: "b", State: wire.StateOK}}
	sensor.info.Kind = client.ServerGoProbe
	result, _ := health(t, sourceOf([]string{"gate", "old"}, gateway, sensor))
	if want := "2 servers answer: gate (a gateway of 2 hosts), old (a goProbe sensor)"; result.Message != want {
		t.Errorf("%q, want %q", result.Message, want)
	}
}

// TestHealthNamesEachFault: the server, what is wrong, what helps; the worst come first in the list.
func TestHealthNamesEachFault(t *testing.T) {
	good := newFake("amsterdam")
	for _, test := range []struct {
		err           error
		fault, remedy string
	}{
		{closed("b:8145"), "connection refused", "check that the probe runs"},
		{&client.Error{Kind: client.KindTimeout, Text: "no answer within 5s"}, "no answer within 5s", "firewall"},
		{&client.Error{Kind: client.KindTLS, Text: "certificate signed by unknown authority"}, "unknown authority", "CA certificate"},
		{&client.Error{Kind: client.KindAuth, Text: "token refused"}, "token refused", "check the token"},
		{&client.Error{Kind: client.KindUnreachable, Text: "no such host"}, "no such host", "host name"},
		{&client.Error{Kind: client.KindProtocol, Text: "not JSON"}, "not JSON", "without a path"},
		{&client.Error{Kind: client.KindServer, Text: "internal", Hint: "ask its\noperator"}, "internal", "ask its operator"},
		{errors.New("something else"), "something else", ""},
	} {
		bad := newFake("berlin")
		bad.err = test.err
		result, verbose := health(t, sourceOf([]string{"amsterdam", "berlin"}, good, bad))
		if result.Status != backend.HealthStatusError || !strings.HasPrefix(result.Message, "berlin: ") || !strings.Contains(result.Message, test.fault) {
			t.Errorf("%v: %s %q", test.err, result.Status, result.Message)
		}
		lines := strings.Split(verbose, "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "berlin: ") || !strings.Contains(lines[0], test.remedy) ||
			lines[1] != "amsterdam: ok, weir-probe 1.2.3 on amsterdam, 2 interfaces, interval 5m0s" {
			t.Errorf("%v: details\n%s", test.err, verbose)
		}
	}
}

// TestHealthOfBadSettings: the check says what the settings lack, and does not fail.
func TestHealthOfBadSettings(t *testing.T) {
	for settings, want := range map[string]string{
		``: "no server is configured: add the URL of a probe or gateway",
		`{"servers":[{"name":"a","url":"unix:/run/weir/probe.sock"}]}`: "a: URL \"unix:/run/weir/probe.sock\": sockets and files of this machine are not read",
		`{"servers":[{"name":"a","url":"/etc/passwd"}]}`:               "sockets and files of this machine are not read",
		`{"servers":[]}}`: "read the settings",
		`{"servers":[{"name":"a","url":"https://a"}],"tlsAuthWithCACert":true}`: "a: the CA certificate is missing",
	} {
		instance, err := New(t.Context(), backend.DataSourceInstanceSettings{JSONData: []byte(settings)})
		if err != nil {
			t.Fatal(err)
		}
		result, _ := health(t, instance.(*DataSource))
		if result.Status != backend.HealthStatusError || !strings.Contains(result.Message, want) {
			t.Errorf("%s: %s %q, want %q", settings, result.Status, result.Message, want)
		}
	}
}

func TestHealthOfAGateway(t *testing.T) {
	gateway := newFake("gw")
	gateway.catalog.Kind = "gateway"
	gateway.catalog.Hosts = []wire.CatalogHost{{Name: "a", State: wire.StateOK}, {Name: "b", State: wire.StateTimeout, Error: "no answer\nin time"}}
	result, _ := health(t, sourceOf([]string{"gw"}, gateway))
	if result.Status != backend.HealthStatusOk || !strings.Contains(result.Message, "gw: 1 of 2 hosts behind it do not answer: b (no answer in time)") {
		t.Errorf("%s: %q", result.Status, result.Message)
	}
}

func TestHealthMessageIsBounded(t *testing.T) {
	var names []string
	var fakes []*fake
	for i := range 500 {
		names = append(names, fmt.Sprintf("host-%03d", i))
		fakes = append(fakes, &fake{err: closed(names[i])})
	}
	result, verbose := health(t, sourceOf(names, fakes...))
	if n := len(result.Message); n > 2*messageLength || !strings.Contains(verbose, "host-499: ") {
		t.Errorf("a message of %d bytes; the last host is in the details: %t", n, strings.Contains(verbose, "host-499: "))
	}
}
