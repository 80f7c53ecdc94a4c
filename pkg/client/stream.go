package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/weirflow/weir/pkg/wire"
)

// Stream is Query over server-sent events: partial is called with each state of the answer that comes before the last,
// which it must not keep, and may be nil. Of a goProbe v4 server, whose partial answers would have to be put together
// here, it asks plainly.
func (c *Client) Stream(ctx context.Context, r *wire.Request, partial func(*wire.Result)) (*wire.Result, error) {
	kind, err := c.kind(ctx)
	if err != nil {
		return nil, err
	}
	if !kind.Extended() {
		return c.queryV4(ctx, r, kind)
	}
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the request to %s: %w", c.address, err)
	}
	target := *c.address.base
	target.Path += "/_query/sse"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request to %s: %w", c.address, err)
	}
	c.head(request, true)
	request.Header.Set("Accept", "text/event-stream, "+wire.ProblemType)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	defer response.Body.Close()
	whole, done := c.cfg.Answers.read(ctx, response.Body)
	defer done()
	limited := &io.LimitedReader{R: whole, N: c.cfg.MaxResponse + 1}
	if response.StatusCode >= 300 {
		return nil, c.transportError(ctx, c.refusal(response, limited))
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "text/event-stream" {
		return nil, c.fail(KindProtocol, err, "is this the address of a probe or gateway?", "the answer is no stream of events")
	}
	result, err := c.events(limited, partial)
	switch {
	case limited.N <= 0:
		return nil, c.fail(KindProtocol, err, "ask for fewer rows or a shorter span", "the answer is larger than the limit of %d bytes", c.cfg.MaxResponse)
	case err != nil:
		return nil, c.transportError(ctx, err)
	}
	return result, nil
}

// events reads the stream up to its final result or error (WHATWG HTML, section 9.2; the bytes are bounded by body).
func (c *Client) events(body io.Reader, partial func(*wire.Result)) (*wire.Result, error) {
	lines := bufio.NewReaderSize(body, 64<<10)
	var name string
	var data []byte
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && len(line) == 0 {
			if errors.Is(err, io.EOF) {
				err = c.fail(KindProtocol, io.ErrUnexpectedEOF, "", "the stream ends without a result")
			}
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 {
			field, value, _ := strings.Cut(string(line), ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "event":
				name = value
			case "data":
				data = append(append(data, value...), '\n')
			}
			continue
		}
		result, err := c.event(name, data)
		switch {
		case err != nil:
			return nil, err
		case name == "finalResult":
			return result, nil
		case result != nil && partial != nil:
			partial(result)
		}
		name, data = "", nil
	}
}

// event decodes one event; those that are not known say nothing.
func (c *Client) event(name string, data []byte) (*wire.Result, error) {
	switch name {
	case "partialResult", "finalResult":
		result := new(wire.Result)
		if err := json.Unmarshal(data, result); err != nil {
			return nil, c.fail(KindProtocol, err, "is this the address of a probe or gateway?", "the answer is not what the API says: %v", err)
		}
		return result, nil
	case "queryError":
		var p wire.Problem
		if json.Unmarshal(data, &p) != nil || p.Status == 0 {
			return nil, c.fail(KindServer, nil, "", "the query failed: %s", firstLine(string(data)))
		}
		return nil, c.statusError(p.Status, &p, "")
	}
	return nil, nil
}
