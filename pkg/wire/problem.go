package wire

import (
	"fmt"
	"net/http"
	"strings"
)

// ProblemType is the media type of a Problem. goProbe's clients want exactly this text, without a charset.
const ProblemType = "application/problem+json"

// Problem is an error as it crosses the wire: RFC 9457, with one Fault for everything that is wrong.
type Problem struct {
	Type   string  `json:"type,omitempty"`
	Title  string  `json:"title,omitempty"`
	Status int     `json:"status,omitempty"`
	Detail string  `json:"detail,omitempty"`
	Errors []Fault `json:"errors,omitempty"`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Message string `json:"message"`
	// Location is the member at fault: "body.condition" of a POST, "query.condition" of a GET.
	Location string `json:"location,omitempty"`
	Value    any    `json:"value,omitempty"`
	// Position points into a text value (extension).
	Position *Position `json:"position,omitempty"`
}

// Position is the part of a text that a Fault is about.
type Position struct {
	Offset   int      `json:"offset"` // in bytes
	Length   int      `json:"length"` // in bytes
	Expected []string `json:"expected,omitempty"`
	Nearest  string   `json:"nearest,omitempty"`
}

// NewProblem makes a Problem whose title is the status text.
func NewProblem(status int, detail string, faults ...Fault) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults}
}

// Error is the detail and all faults on one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		b.WriteString(p.Title)
	}
	for i, f := range p.Errors {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		if f.Location != "" {
			fmt.Fprintf(&b, "%s: ", f.Location)
		}
		b.WriteString(strings.ReplaceAll(f.Message, "\n", " "))
	}
	return b.String()
}
