package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// resourceBody is the largest body of a resource call: a query with a long condition is a few kilobytes.
const resourceBody = 1 << 20

// routes are the resources the editors ask for. Whoever may query the data source may call them.
func (d *DataSource) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /catalog", d.getCatalog)
	mux.HandleFunc("GET /interfaces", d.getInterfaces)
	mux.HandleFunc("GET /fields", d.getFields)
	mux.HandleFunc("GET /hosts", d.getHosts)
	mux.HandleFunc("GET /labels", d.getLabels)
	mux.HandleFunc("GET /lists", d.getLists)
	mux.HandleFunc("POST /validate", d.postValidate)
	mux.HandleFunc("POST /complete", d.postComplete)
	mux.HandleFunc("POST /values", d.postValues)
	mux.HandleFunc("POST /command", d.postCommand)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, bodyOf(r), resourceBody)
		mux.ServeHTTP(w, r)
	})
}

// bodyOf is never nil: the adapter leaves out an empty body.
func bodyOf(r *http.Request) io.ReadCloser {
	if r.Body == nil {
		return http.NoBody
	}
	return r.Body
}

// read decodes a JSON body, or answers what is wrong with it and returns false.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		respond(w, http.StatusRequestEntityTooLarge, map[string]string{"message": fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)})
	case err != nil:
		respond(w, http.StatusBadRequest, map[string]string{"message": "read the body: " + plain(err).Error()})
	}
	return err == nil
}

func respond(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"message":"the answer can't be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text) // nobody is left to tell
}
