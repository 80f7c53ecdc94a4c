//go:build linux

package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// recorded is a request as it was on the wire, without the line ends.
type recorded struct {
	name, method, target, headers, body string
}

// readRequests reads files of requests; several in one file are attempts, with "----" between.
func readRequests(t *testing.T, pattern string) (list []recorded) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range strings.Split(strings.ReplaceAll(string(text), "\r", ""), "\n----\n") {
			head, body, _ := strings.Cut(strings.TrimLeft(one, "\n"), "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			words := strings.Fields(line)
			if len(words) != 3 {
				t.Fatalf("%s: request line %q", file, line)
			}
			name := strings.TrimSuffix(filepath.Base(file), ".request.txt")
			if i > 0 {
				name = fmt.Sprint(name, "-attempt-", i+1)
			}
			list = append(list, recorded{name, words[0], words[1], headers, strings.TrimRight(body, "\n")})
		}
	}
	return list
}

var contentLength = regexp.MustCompile(`(?m)^Content-Length: \d+$`)

// bytes are the request as it goes over the connection, with its placeholders filled in.
func (r recorded) bytes(host string) []byte {
	body := r.body
	if strings.Contains(r.target, "sse") {
		body += "\n" // as their clients send it
	}
	headers := strings.NewReplacer("HOST:PORT", host, "HOSTID", strings.Repeat("0123456789abcdef", 2),
		"RUNTIMEID", strings.Repeat("0123456789abcdef", 4)).Replace(r.headers)
	headers = contentLength.ReplaceAllString(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	return []byte(strings.ReplaceAll(fmt.Sprintf("%s %s HTTP/1.1\n%s", r.method, r.target, headers), "\n", "\r\n") + "\r\n\r\n" + body)
}

// exchange sends the request byte for byte and reads one answer.
func (r recorded) exchange(t *testing.T, network, address string) reply {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := c.Write(r.bytes(address)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: r.method})
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	defer response.Body.Close()
	var body io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	return reply{response.StatusCode, response.Header, text}
}

// Whatever goQuery, global-query and gpctl were seen to send gets the answer that they need.
func TestRecordedRequests(t *testing.T) {
	list := readRequests(t, filepath.Join(testenv.Shared(t, "goprobe-v4-clients"), "*.request.txt"))
	files := map[string]bool{}
	for _, r := range list {
		name, _, _ := strings.Cut(r.name, "-attempt-")
		files[name] = true
	}
	if len(files) < 97 {
		t.Errorf("only %d files were found", len(files))
	}
	replay(t, list)
}

// The essential ones, written for this repository.
func TestEssentialRequests(t *testing.T) {
	list := readRequests(t, "testdata/requests/*.request.txt")
	if len(list) < 10 {
		t.Errorf("only %d requests were found", len(list))
	}
	replay(t, list)
}

func replay(t *testing.T, list []recorded) {
	t.Helper()
	r := newRig(t, options{})
	withRows := 0
	for _, one := range list {
		t.Run(one.name, func(t *testing.T) {
			network, address := "tcp", strings.TrimPrefix(r.admin, "http://")
			if strings.Contains(one.headers, "Host: unix") {
				network, address = "unix", r.socket
			}
			answer := one.exchange(t, network, address)
			// 429, 500 and 502 would be asked again for seven seconds.
			if slices.Contains([]int{429, 500, 502}, answer.status) {
				t.Fatalf("%d %s", answer.status, answer.body)
			}
			path := one.target
			if i := strings.Index(path, "://"); i >= 0 { // sent to a proxy
				path = path[i+3:][strings.Index(path[i+3:], "/"):]
			}
			path, _, _ = strings.Cut(path, "?")
			switch {
			case strings.HasPrefix(path, "/base/"):
				checkProblem(t, answer, 404)
			case path == "/_query":
				withRows += checkAnswer(t, one, answer)
			case path == "/_query/sse":
				withRows += checkEvents(t, one, answer)
			case strings.HasPrefix(path, "/status"):
				checkStatus(t, answer)
			case one.method == "GET":
				checkConfig(t, answer)
			default:
				checkChange(t, answer)
				again := one.exchange(t, network, address)
				checkChange(t, again)
				if text := string(again.body); strings.Contains(text, `"enabled":[{"name":"eth0"`) || !strings.Contains(text, `"disabled":[]`) {
					t.Errorf("the same change again changes something: %s", text)
				}
				send(t, http.DefaultClient, "POST", r.admin+"/config/_reload", "") // as the next one expects it
				r.waitForCapture(t)
			}
		})
	}
	t.Logf("%d requests, %d answers with rows", len(list), withRows)
	if withRows < len(list)/2 {
		t.Errorf("only %d of %d answers have rows", withRows, len(list))
	}
}

// waitForCapture waits until all interfaces are captured: a change is answered before the last of them has begun.
func (r *rig) waitForCapture(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text := send(t, http.DefaultClient, "GET", r.admin+"/status", "").body
		if !strings.Contains(string(text), `"started_at":"0001-`) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after a minute an interface is not captured: %s", text)
		}
	}
}

// checkProblem wants an error with exactly the media type that goProbe's clients know.
func checkProblem(t *testing.T, r reply, status int) *wire.Problem {
	t.Helper()
	var p wire.Problem
	err := json.Unmarshal(r.body, &p)
	if err != nil || r.status != status || p.Status != status || p.Detail == "" || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %q: %s, want a problem with %d", r.status, r.header.Get("Content-Type"), r.body, status)
	}
	return &p
}

// checkAnswer returns 1 if the answer has rows.
func checkAnswer(t *testing.T, one recorded, r reply) int {
	t.Helper()
	if r.status != 200 || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s: %s", r.status, r.header.Get("Content-Type"), r.body)
		return 0
	}
	return checkResult(t, one, r.body)
}

func checkResult(t *testing.T, one recorded, text []byte) int {
	t.Helper()
	var q v4Question
	if err := json.Unmarshal([]byte(one.body), &q); err != nil {
		t.Fatal(err)
	}
	result, err := readV4(text)
	if err == nil {
		err = result.check(q)
	}
	if err != nil {
		t.Errorf("%v: %.400s", err, text)
		return 0
	}
	return min(len(result.Rows), 1)
}

func checkEvents(t *testing.T, one recorded, r reply) int {
	t.Helper()
	names, data, err := v4Events(string(r.body))
	if err != nil || r.status != 200 || r.header.Get("Content-Type") != "text/event-stream" || len(names) != 1 || names[0] != "finalResult" {
		t.Errorf("%d %s, events %v: %v", r.status, r.header.Get("Content-Type"), names, err)
		return 0
	}
	return checkResult(t, one, []byte(data[0]))
}

func checkStatus(t *testing.T, r reply) {
	t.Helper()
	var s struct {
		Started   time.Time `json:"started_at"`
		LastWrite time.Time `json:"last_writeout"`
		Statuses  map[string]struct {
			Started                      time.Time `json:"started_at"`
			Received, Processed, Dropped uint64
			ReceivedTotal                uint64   `json:"received_total"`
			ParsingErrors                []uint64 `json:"parsing_errors"`
		}
	}
	if err := json.Unmarshal(r.body, &s); err != nil || r.status != 200 || len(s.Statuses) == 0 || s.Started.IsZero() {
		t.Fatalf("%d %v: %s", r.status, err, r.body)
	}
	for name, i := range s.Statuses {
		if i.Started.IsZero() || len(i.ParsingErrors) != 3 {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

func checkConfig(t *testing.T, r reply) {
	t.Helper()
	var c struct {
		Interfaces map[string]struct {
			RingBuffer *struct {
				BlockSize int `json:"block_size"`
				NumBlocks int `json:"num_blocks"`
			} `json:"ring_buffer"`
			ExtraBPF []struct{ Op, Jt, Jf, K int } `json:"extra_bpf_filters"`
		} `json:"ifaces"`
	}
	if err := json.Unmarshal(r.body, &c); err != nil || r.status != 200 || len(c.Interfaces) == 0 {
		t.Fatalf("%d %v: %s", r.status, err, r.body)
	}
	for name, i := range c.Interfaces {
		if i.RingBuffer == nil || i.RingBuffer.NumBlocks < 1 {
			t.Errorf("%s has no ring_buffer: gpctl would crash", name)
		}
	}
}

func checkChange(t *testing.T, r reply) {
	t.Helper()
	var c map[string]json.RawMessage
	if err := json.Unmarshal(r.body, &c); err != nil || r.status != 200 {
		t.Fatalf("%d %v: %s", r.status, err, r.body)
	}
	for _, name := range []string{"enabled", "updated", "disabled"} {
		var list []struct {
			Name    string
			Success bool
		}
		if err := json.Unmarshal(c[name], &list); err != nil || !bytes.HasPrefix(c[name], []byte("[")) {
			t.Errorf("%s: %s: %v", name, c[name], err)
		}
	}
}
