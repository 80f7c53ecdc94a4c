package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/serve"
)

// get asks a route of the agent's own.
func get(r *rig, target string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

// goprobeStatus is what a goProbe v4 sensor answers; its clients read these members, in these types.
const goprobeStatus = `{"status_code":200,"last_writeout":"2026-11-21T05:35:00.001Z","started_at":"2026-11-21T05:21:24.347Z",
	"statuses":{"eth0":{"started_at":"2026-11-21T05:21:24.346Z","received":8771,"received_total":17846,"processed":8771,
	"processed_total":17846,"dropped":0,"dropped_total":0,"parsing_errors":[0,0,0]}}}`

func TestStatusHasWhatGoProbesClientsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0")
		r := startRig(t, m, "eth0")
		defer r.close()
		var before, after, want map[string]any
		for text, into := range map[string]*map[string]any{goprobeStatus: &want, get(r, "/status").Body.String(): &before} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		sameKinds(t, "status", want, before)
		if before["last_writeout"] != "0001-01-01T00:00:00Z" {
			t.Errorf("nothing is written, but last_writeout is %v", before["last_writeout"])
		}
		m.source("eth0").push(7)
		r.wait(5 * time.Minute)
		m.source("eth0").push(2)
		synctest.Wait()
		if err := json.Unmarshal(get(r, "/status").Body.Bytes(), &after); err != nil {
			t.Fatal(err)
		}
		sameKinds(t, "status", want, after)
		eth0 := after["statuses"].(map[string]any)["eth0"].(map[string]any)
		if eth0["received"] != 2.0 || eth0["received_total"] != 9.0 || eth0["processed_total"] != 9.0 || after["last_writeout"] == before["last_writeout"] {
			t.Errorf("after an interval: %v", after)
		}
	})
}

// sameKinds says that got has every member of want, each of the same kind of JSON value.
func sameKinds(t *testing.T, at string, want, got any) {
	t.Helper()
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
		t.Errorf("%s: %T, want %T", at, got, want)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		for name, value := range want {
			sameKinds(t, at+"."+name, value, got.(map[string]any)[name])
		}
	case []any:
		if len(want) != len(got.([]any)) {
			t.Errorf("%s: %d entries, want %d", at, len(got.([]any)), len(want))
		}
	}
}

func TestStatusOfSomeInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMachine("eth0", "eth1", "eth2"), "any")
		defer r.close()
		for target, want := range map[string][]string{
			"/status":                         {"eth0", "eth1", "eth2"},
			"/status/eth1":                    {"eth1"},
			"/status/eth0,eth2":               {"eth0", "eth2"},
			"/status?ifaces=eth0%2Ceth1":      {"eth0", "eth1"},
			"/status?ifaces=eth0&ifaces=eth2": {"eth0", "eth2"},
			"/status/eth0,eth9":               {"eth0"},
			"/status/eth9":                    nil,
		} {
			answer := get(r, target)
			if want == nil {
				if answer.Code != http.StatusNoContent || answer.Body.Len() != 0 {
					t.Errorf("%s: %d %q", target, answer.Code, answer.Body)
				}
				continue
			}
			var s Status
			if err := json.Unmarshal(answer.Body.Bytes(), &s); err != nil {
				t.Fatalf("%s: %v", target, err)
			}
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(s.Statuses))); diff != "" || answer.Code != http.StatusOK {
				t.Errorf("%s: %d\n%s", target, answer.Code, diff)
			}
		}
	})
}

// Reading the status changes nothing, unlike goProbe's.
func TestStatusIsRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0")
		r := startRig(t, m, "eth0")
		defer r.close()
		m.source("eth0").push(3)
		synctest.Wait()
		first := get(r, "/status").Body.String()
		if second := get(r, "/status").Body.String(); first != second {
			t.Errorf("two answers at once:\n%s%s", first, second)
		}
	})
}

func TestRoutesNeedARole(t *testing.T) {
	r := newRig(t, newMachine(), "", nil)
	defer r.close()
	for _, route := range r.Routes() {
		if route.Role == serve.RoleNone {
			t.Errorf("%s is open to everybody", route.Pattern)
		}
	}
}
