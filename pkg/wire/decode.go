package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// DefaultBodyLimit is the greatest request body in bytes that servers take unless they are configured otherwise.
const DefaultBodyLimit = 1 << 20

// maxDepth bounds how deep a request body nests; a valid one has depth 2.
const maxDepth = 16

// DecodeRequest reads the JSON body of a query of at most limit bytes. The error is a *Problem: 413 for a longer body,
// 400 for one that is no JSON object, else 422 with every member of a wrong type, every unknown member, and what Prepare
// would find in the others. null means "not given"; a member "$schema" is ignored; names count by case.
func DecodeRequest(body io.Reader, limit int64) (*Request, error) {
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, bodyProblem(http.StatusBadRequest, "reading the body: %v", err)
	}
	if int64(len(data)) > limit {
		return nil, bodyProblem(http.StatusRequestEntityTooLarge, "the body is larger than the limit of %d bytes", limit)
	}
	if depth(data) > maxDepth {
		return nil, bodyProblem(http.StatusBadRequest, "the body nests deeper than %d levels", maxDepth)
	}
	var d decoder
	request := &Request{}
	fields := requestMembers(request)
	if err := d.object(data, "body", fields); err != nil {
		return nil, bodyProblem(http.StatusBadRequest, "the body is no JSON object: %v", err)
	}
	for _, name := range []string{"query", "ifaces"} {
		if !d.seen["body."+name] {
			d.fault("body."+name, nil, "missing: the member %q is required", name)
		}
	}
	if !d.seen["body.dns_resolution"] {
		request.DNSResolution = nil
	}
	if !d.seen["body.actors"] {
		request.Actors = nil
	}
	if len(d.faults) > 0 {
		return nil, NewProblem(http.StatusUnprocessableEntity, "validation failed", append(d.faults, alsoWrong(request, d.faults)...)...)
	}
	return request, nil
}

func bodyProblem(status int, format string, arguments ...any) *Problem {
	return NewProblem(status, "validation failed", Fault{Message: fmt.Sprintf(format, arguments...), Location: "body"})
}

// members maps the names of an object's members to what they are decoded into: a pointer, or members again.
type members map[string]any

// requestMembers is the table of all that a request may hold. A test compares it with the struct's tags.
func requestMembers(r *Request) members {
	if r.DNSResolution == nil {
		r.DNSResolution = &DNSResolution{}
	}
	if r.Actors == nil {
		r.Actors = &Actors{}
	}
	return members{
		"query": &r.Query, "ifaces": &r.Ifaces, "query_hosts": &r.QueryHosts,
		"query_hosts_resolver_type": &r.QueryHostsResolverType, "hostname": &r.Hostname, "host_id": &r.HostID,
		"condition": &r.Condition, "in": &r.In, "out": &r.Out, "sum": &r.Sum, "first": &r.First, "last": &r.Last,
		"time_resolution": &r.TimeResolution, "format": &r.Format, "sort_by": &r.SortBy,
		"sort_ascending": &r.SortAscending, "num_results": &r.NumResults, "max_mem_pct": &r.MaxMemPct,
		"low_mem": &r.LowMem, "caller": &r.Caller, "keepalive": &r.KeepAlive, "live": &r.Live,
		"merge": &r.Merge, "series": &r.Series, "other": &r.Other, "compare": &r.Compare, "explain": &r.Explain,
		"dedupe": &r.Dedupe, "threshold": &r.Threshold, "groups": &r.Groups,
		"seen": &r.Seen, "if_version": &r.IfVersion, "enrich": &r.Enrich,
		"dns_resolution": members{
			"enabled": &r.DNSResolution.Enabled, "timeout": &r.DNSResolution.Timeout, "max_rows": &r.DNSResolution.MaxRows,
		},
		"actors": members{"list": &r.Actors.List, "set": &r.Actors.Set},
	}
}

// decoder collects the faults of one body.
type decoder struct {
	faults []Fault
	seen   map[string]bool // by location
}

func (d *decoder) fault(location string, value any, format string, arguments ...any) {
	if len(d.faults) < 64 { // an answer need not be larger than that
		d.faults = append(d.faults, Fault{Message: fmt.Sprintf(format, arguments...), Location: location, Value: clip(value)})
	}
}

// object decodes the members of a JSON object. The error is one of syntax; everything else is a fault.
func (d *decoder) object(data []byte, location string, known members) error {
	tokens := json.NewDecoder(bytes.NewReader(data))
	if token, err := tokens.Token(); err != nil {
		return syntaxError(err)
	} else if token != json.Delim('{') {
		return errors.New("expected an object")
	}
	for tokens.More() {
		key, err := tokens.Token()
		if err != nil {
			return syntaxError(err)
		}
		var value json.RawMessage
		if err := tokens.Decode(&value); err != nil {
			return syntaxError(err)
		}
		name, _ := key.(string)
		if name == "$schema" {
			continue
		}
		at := location + "." + strings.ToValidUTF8(clip(name).(string), "?")
		target, ok := known[name]
		switch {
		case !ok:
			d.unknown(at, name, known)
		case d.seen[at]:
			d.fault(at, nil, "given twice")
		default:
			d.value(value, at, target)
		}
	}
	if _, err := tokens.Token(); err != nil { // the closing brace
		return syntaxError(err)
	}
	if _, err := tokens.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w (at byte %d)", syntax, syntax.Offset)
	}
	return err
}

func (d *decoder) unknown(at, name string, known members) {
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	if nearest, ok := flow.Nearest(strings.ToLower(name), names); ok {
		d.fault(at, nil, "unknown member %q; did you mean %q?", clip(name), nearest)
		return
	}
	d.fault(at, nil, "unknown member %q; known are %s", clip(name), strings.Join(names, ", "))
}

func (d *decoder) value(value json.RawMessage, at string, target any) {
	if d.seen == nil {
		d.seen = make(map[string]bool)
	}
	if string(value) == "null" {
		return
	}
	d.seen[at] = true
	if inner, ok := target.(members); ok {
		if value[0] != '{' {
			d.fault(at, shown(value), "expected an object")
		} else if err := d.object(value, at, inner); err != nil {
			d.fault(at, nil, "%v", err)
		}
		return
	}
	if err := json.Unmarshal(value, target); err != nil {
		d.fault(at, shown(value), "expected %s", expected(target))
	}
}

// shown is a value as an error repeats it: whatever it was, if it is short.
func shown(value json.RawMessage) any {
	if len(value) > 256 {
		return nil
	}
	return value
}

func expected(target any) string {
	switch target.(type) {
	case *string:
		return "a text"
	case *bool:
		return "true or false"
	case *time.Duration:
		return "an integer, in nanoseconds"
	case *[]string:
		return "a list of texts"
	case *[]Group:
		return "a list of groups, each with attributes, and labels where it has some"
	case *uint, **uint64:
		return "an integer of at least 0"
	}
	return "an integer"
}

// depth is how deep objects and arrays nest in JSON text; of text that is no JSON, some number.
func depth(data []byte) int {
	deepest, current, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			current++
			deepest = max(deepest, current)
		case c == '}' || c == ']':
			current--
		}
	}
	return deepest
}
