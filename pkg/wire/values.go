package wire

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// aliases are the members that have another name in the query string of GET /_query/validate.
var aliases = map[string]string{
	"hosts_resolver": "query_hosts_resolver_type",
	"dns_enabled":    "dns_resolution.enabled",
	"dns_timeout":    "dns_resolution.timeout",
	"dns_max_rows":   "dns_resolution.max_rows",
	"actors_list":    "actors.list",
	"actors_set":     "actors.set",
}

// ParameterNames are those parameters of GET /_query/validate that are named otherwise than the members of a Request
// they stand for: name → member, within an object after a dot.
func ParameterNames() map[string]string { return maps.Clone(aliases) }

// DecodeValues reads a request from a query string. The error is a *Problem with locations such as "query.first".
func DecodeValues(values url.Values) (*Request, error) {
	request := &Request{}
	known := flatten(requestMembers(request))
	var faults []Fault
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fault := Fault{Location: "query." + clip(name).(string), Value: clip(values.Get(name))}
		target, ok := known[name]
		switch {
		case !ok:
			fault.Message = "unknown parameter" + hint(name, slices.Sorted(maps.Keys(known)))
		case len(values[name]) > 1:
			fault.Message = "given more than once"
		case !setText(target, values.Get(name)):
			fault.Message = "expected " + expected(target)
		default:
			continue
		}
		if faults = append(faults, fault); len(faults) >= 64 {
			break
		}
	}
	for _, name := range []string{"query", "ifaces"} {
		if !values.Has(name) {
			faults = append(faults, Fault{Message: "missing: the parameter is required", Location: "query." + name})
		}
	}
	if *request.DNSResolution == (DNSResolution{}) {
		request.DNSResolution = nil
	}
	if request.Actors.List == "" && len(request.Actors.Set) == 0 {
		request.Actors = nil
	}
	if len(faults) > 0 {
		return nil, alsoWrongParameters(request, faults)
	}
	return request, nil
}

// alsoWrongParameters is the problem of faulty parameters, together with what Prepare would find in the others.
func alsoWrongParameters(request *Request, faults []Fault) *Problem {
	members := make([]Fault, len(faults))
	for i, f := range faults {
		name := strings.TrimPrefix(f.Location, "query.")
		if path, ok := aliases[name]; ok {
			name = path
		}
		members[i].Location = "body." + name
	}
	more := NewProblem(http.StatusUnprocessableEntity, "validation failed", alsoWrong(request, members)...).AsParameters()
	more.Errors = append(faults, more.Errors...)
	return more
}

// flatten gives every member its name in a query string.
func flatten(known members) map[string]any {
	flat := make(map[string]any, len(known)+len(aliases))
	for name, target := range known {
		if _, nested := target.(members); !nested {
			flat[name] = target
		}
	}
	for alias, path := range aliases {
		outer, inner, nested := strings.Cut(path, ".")
		if nested {
			flat[alias] = known[outer].(members)[inner]
			continue
		}
		flat[alias] = known[path]
		delete(flat, path)
	}
	return flat
}

// setText sets a member from text. Texts are taken as they are, numbers and booleans as in JSON; an empty number is
// "not given", as from an empty form field.
func setText(target any, text string) bool {
	switch t := target.(type) {
	case *string:
		*t = text
		return true
	case *[]string:
		if text != "" {
			*t = strings.Split(text, ",")
		}
		return true
	case *bool:
		b, err := strconv.ParseBool(text)
		*t = b
		return err == nil || text == ""
	}
	return text == "" || json.Unmarshal([]byte(text), target) == nil
}

// AsParameters renames the locations of a problem of Prepare for a request that came as a query string.
func (p *Problem) AsParameters() *Problem {
	renamed := *p
	renamed.Errors = slices.Clone(p.Errors)
	for i, f := range renamed.Errors {
		name, ok := strings.CutPrefix(f.Location, "body.")
		if !ok {
			continue
		}
		for alias, path := range aliases {
			if path == name {
				name = alias
			}
		}
		renamed.Errors[i].Location = "query." + name
	}
	return &renamed
}
