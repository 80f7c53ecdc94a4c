//go:build linux

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/agent"
)

// questions are of every kind, over intervals that are closed.
func questions() []string {
	var list []string
	for _, columns := range []string{"sip", "dip,dport", "sip,dip,dport,proto", "time", "time,proto", "iface,proto", "raw", "verdict", "host,hostid"} {
		for _, rest := range []string{
			`"ifaces":"any"`, `"ifaces":"eth0","condition":"dport = 443"`, `"ifaces":"any,!eth2","merge":true,"num_results":3,"other":true`,
			`"ifaces":"/eth/","condition":"sip = 10.0.0.0/8 and not proto = udp","sort_by":"packets","sort_ascending":true`,
			`"ifaces":"vetha,vethb","condition":"bytes > 1000","in":true`,
		} {
			list = append(list, fmt.Sprintf(`{"query":%q,%s,"first":"1790000000","last":"%d"}`, columns, rest, present.Unix()))
		}
	}
	for _, series := range []string{"time,sip", "time,dport,proto", "time,iface"} {
		list = append(list, fmt.Sprintf(`{"query":%q,"ifaces":"any","merge":true,"series":true,"other":true,"num_results":2,"time_resolution":"1h","first":"-1d","last":"%d"}`, series, present.Unix()))
	}
	return list
}

// comparable is an answer without what belongs to the asking: time, cost and trace.
func comparable(t testing.TB, text []byte) string {
	t.Helper()
	var r wire.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Errorf("%v: %.200s", err, text)
		return ""
	}
	r.Summary.Timings, r.Summary.Stats, r.Summary.TraceID = wire.Timings{}, wire.Stats{}, ""
	r.Summary.DataVersion = "" // what is stored meanwhile, on the same day, changes it
	for name, s := range r.HostsStatuses {
		s.DurationNanoseconds, s.BytesScanned = 0, 0
		r.HostsStatuses[name] = s
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Error(err)
	}
	return b.String()
}

// patience is how much longer it may take until a busy machine has answered often enough.
const patience = 3 * time.Minute

// askingTime is how long the questions are asked: long where the tests are to be thorough.
func askingTime() time.Duration {
	if os.Getenv("WEIR_LONG") == "1" {
		return time.Minute
	}
	return 3 * time.Second
}

// A hundred callers at once, while the probe captures, writes intervals and changes what it captures: every answer is
// the one that is given to a single caller.
func TestConcurrentQueries(t *testing.T) {
	began := time.Now()
	r := newRig(t, options{
		now:   func() time.Time { return present.Add(time.Since(began)) },
		agent: func(cfg *agent.Config) { cfg.Meter.Interval = time.Second; cfg.Meter.Checkpoint = time.Second },
		server: func(cfg *serve.Config) {
			cfg.Limits.Queue, cfg.Limits.Timeout = 10*time.Minute, 10*time.Minute // everybody waits
		},
	})
	list := questions()
	alone := make([]string, len(list))
	for i, q := range list {
		answer := send(t, http.DefaultClient, "POST", r.query+"/_query", q)
		if answer.status != 200 {
			t.Fatalf("%s: %d %s", q, answer.status, answer.body)
		}
		alone[i] = comparable(t, answer.body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), askingTime()+patience)
	defer cancel()
	var callers sync.WaitGroup
	var asked, live atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for n := range 100 {
		callers.Go(func() {
			for i := n; ctx.Err() == nil; i += 7 {
				q := list[i%len(list)]
				if i%10 == 3 { // these are as new as the moment, and only have to come
					if text := ask(ctx, t, c, r.query+"/_query", `{"query":"sip,dport","ifaces":"any","first":"-1h","live":true}`); text != nil {
						live.Add(1)
					}
					continue
				}
				path := "/_query"
				if i%5 == 1 {
					path = "/_query/sse"
				}
				text := ask(ctx, t, c, r.query+path, q)
				if text == nil {
					continue
				}
				if path == "/_query/sse" {
					_, data, err := v4Events(string(text))
					if err != nil {
						t.Error(err)
						continue
					}
					text = []byte(data[len(data)-1])
				}
				asked.Add(1)
				if got := comparable(t, text); got != alone[i%len(list)] {
					t.Errorf("%s:\nalone %.300s\nnow   %.300s", q, alone[i%len(list)], got)
				}
			}
		})
	}
	traffic := time.NewTicker(20 * time.Millisecond)
	defer traffic.Stop()
	enough := time.Now().Add(askingTime())
	for ctx.Err() == nil && (time.Now().Before(enough) || asked.Load() < 100 || live.Load() < 5) {
		<-traffic.C
		r.tick()
	}
	cancel()
	callers.Wait()
	status := r.agent.Status()
	var metered uint64
	for _, s := range status.Statuses {
		metered += s.ProcessedTotal
	}
	t.Logf("%d answers compared, %d live, beside %d packets metered and %d intervals stored", asked.Load(), live.Load(), metered, status.StoreWrites)
	if asked.Load() < 100 || live.Load() == 0 || metered == 0 || status.StoreWrites == 0 {
		t.Error("too little has happened")
	}
}

// ask returns the body of an answer with 200; nil when the time is up.
func ask(ctx context.Context, t testing.TB, c *http.Client, url, body string) []byte {
	r, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return nil
	}
	response, err := c.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			t.Error(err)
		}
		return nil
	case response.StatusCode != 200:
		t.Errorf("%s: %d %s", body, response.StatusCode, text)
		return nil
	}
	return text
}
