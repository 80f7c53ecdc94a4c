package wire

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Format is a form in which a server writes a result.
type Format string

// The formats. FormatJSON is the one that goProbe's clients read.
const (
	FormatJSON   Format = "json"
	FormatNDJSON Format = "ndjson" // rows, one on a line, then a line with everything else
	FormatArrow  Format = "arrow"  // an Arrow IPC stream (package arrowipc)
)

// mediaTypes in the order of preference, where the caller has none.
var mediaTypes = []struct {
	format Format
	name   string
}{
	{FormatJSON, "application/json"},
	{FormatNDJSON, "application/x-ndjson"},
	{FormatArrow, "application/vnd.apache.arrow.stream"},
}

// MediaType is the format's name in Accept and Content-Type.
func (f Format) MediaType() string {
	for _, m := range mediaTypes {
		if m.format == f {
			return m.name
		}
	}
	return ""
}

// ParseMediaType is the inverse of MediaType; parameters of the type do not count.
func ParseMediaType(contentType string) (Format, bool) {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", false
	}
	for _, m := range mediaTypes {
		if m.name == name {
			return m.format, true
		}
	}
	return "", false
}

// maxAcceptRanges bounds the media ranges of a header that are looked at.
const maxAcceptRanges = 32

// Negotiate chooses the format of an answer by the value of the header Accept (RFC 9110 §12.5.1), several of them
// joined by commas: the one with the greatest weight, of equals the first of JSON, NDJSON and Arrow. An empty header
// means JSON. The error is a *Problem with status 406.
func Negotiate(accept string) (Format, error) {
	if strings.TrimSpace(accept) == "" {
		return FormatJSON, nil
	}
	var best Format
	greatest := 0.0
	ranges := strings.SplitN(accept, ",", maxAcceptRanges+1)
	ranges = ranges[:min(len(ranges), maxAcceptRanges)]
	for _, m := range mediaTypes {
		if weight := acceptWeight(ranges, m.name); weight > greatest {
			best, greatest = m.format, weight
		}
	}
	if best == "" {
		var known []string
		for _, m := range mediaTypes {
			known = append(known, m.name)
		}
		return "", NewProblem(http.StatusNotAcceptable, "no format that is accepted can be written", Fault{
			Message: "expected " + strings.Join(known, ", "), Location: "header.Accept", Value: clip(accept)})
	}
	return best, nil
}

// acceptWeight is the weight that the most specific range which covers the media type gives to it.
func acceptWeight(ranges []string, name string) float64 {
	kind, _, _ := strings.Cut(name, "/")
	patterns := []string{"*/*", kind + "/*", name}
	weight, precision := 0.0, -1
	for _, r := range ranges {
		pattern, parameters, err := mime.ParseMediaType(r)
		if err != nil {
			continue
		}
		if k := slices.Index(patterns, pattern); k > precision {
			weight, precision = quality(parameters["q"]), k
		}
	}
	return weight
}

// quality is the weight of a range; one that cannot be read counts as none given.
func quality(text string) float64 {
	if q, err := strconv.ParseFloat(text, 64); err == nil && q >= 0 && q <= 1 {
		return q
	}
	return 1
}
