package plugin

import (
	"errors"
	"net/http"

	"github.com/weirflow/weir/pkg/filter"
)

// validation is the answer of POST validate.
type validation struct {
	Valid      bool             `json:"valid"`
	Normalised string           `json:"normalised,omitempty"`
	Error      *validationError `json:"error,omitempty"`
}

// validationError points at the part of the condition that is wrong; offset and length count bytes.
type validationError struct {
	Message  string   `json:"message"`
	Offset   int      `json:"offset"`
	Length   int      `json:"length"`
	Expected []string `json:"expected"`
	Nearest  string   `json:"nearest"`
	Diagram  string   `json:"diagram"`
}

// postValidate checks a condition. A wrong condition is an answer, not a failure of the call.
func (d *DataSource) postValidate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Condition string `json:"condition"`
	}
	if !read(w, r, &body) {
		return
	}
	condition, err := filter.Parse(body.Condition)
	if err == nil {
		respond(w, http.StatusOK, validation{Valid: true, Normalised: condition.String()})
		return
	}
	fault := &validationError{Message: err.Error(), Length: len(body.Condition), Expected: []string{}}
	var at *filter.Error
	if errors.As(err, &at) {
		fault.Message, fault.Offset, fault.Length = at.Message, at.Offset, at.Length
		fault.Expected = append(fault.Expected, at.Expected...)
		fault.Nearest, fault.Diagram = at.Nearest, at.Diagram()
	}
	respond(w, http.StatusOK, validation{Error: fault})
}

// completion is one way to go on in a condition; offset and length count bytes.
type completion struct {
	Text        string                `json:"text"`
	Offset      int                   `json:"offset"`
	Length      int                   `json:"length"`
	Kind        filter.CompletionKind `json:"kind"`
	Description string                `json:"description,omitempty"`
}

// postComplete proposes how a condition goes on at the cursor, a number of bytes.
func (d *DataSource) postComplete(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Text   string `json:"text"`
		Cursor int    `json:"cursor"`
	}
	if !read(w, r, &body) {
		return
	}
	list := []completion{}
	for _, c := range filter.Complete(body.Text, body.Cursor, d.known(r)) {
		list = append(list, completion(c))
	}
	respond(w, http.StatusOK, list)
}
