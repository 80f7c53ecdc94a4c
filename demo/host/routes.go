package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// bodyLimit is the largest request body: what fits into one gRPC message to the plugin.
const bodyLimit = 16 << 20

// routes is the part of Grafana's HTTP API that the page and the plugin's front end use.
func (h *Host) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/ds/query", h.query)
	mux.HandleFunc("POST /api/live/run", h.stream)
	mux.HandleFunc("GET /api/datasources", h.listSources)
	mux.HandleFunc("GET /api/datasources/uid/{uid}", h.forSource(h.getSource))
	mux.HandleFunc("PUT /api/datasources/uid/{uid}", h.forSource(h.putSource))
	mux.HandleFunc("GET /api/datasources/uid/{uid}/health", h.forSource(h.health))
	mux.HandleFunc("/api/datasources/uid/{uid}/resources/{path...}", h.forSource(h.resource))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("%s is not part of this stand-in for Grafana", r.URL.Path))
	})
	prefix := "/public/plugins/" + PluginID + "/"
	if h.config.DistDir != "" {
		files, err := static(h.config.DistDir)
		if err != nil {
			return nil, fmt.Errorf("front end: %w", err)
		}
		mux.Handle("GET "+prefix, http.StripPrefix(prefix, files))
	}
	if h.config.PageDir != "" {
		files, err := static(h.config.PageDir)
		if err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		mux.Handle("/", files)
	}
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// static serves a directory and nothing outside of it. Browsers ask each time, so that a new build shows at once.
func static(dir string) (http.Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	files := http.FileServerFS(root.FS())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	}), nil
}

// forSource answers 404 for a uid that is not the data source's.
func (h *Host) forSource(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if uid := r.PathValue("uid"); uid != h.config.DataSource.UID {
			fail(w, http.StatusNotFound, fmt.Errorf("data source %q not found: there is only %q", uid, h.config.DataSource.UID))
			return
		}
		next(w, r)
	}
}

func (h *Host) listSources(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, []sourceView{h.source.view()})
}

func (h *Host) getSource(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.source.view())
}

// putSource is what the config editor's save does.
func (h *Host) putSource(w http.ResponseWriter, r *http.Request) {
	var change sourceChange
	if !decode(w, r, &change) {
		return
	}
	if err := h.source.change(change); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	view := h.source.view()
	answer(w, http.StatusOK, map[string]any{
		"datasource": view, "id": view.ID, "name": view.Name, "message": "Datasource updated",
	})
}

// decode reads a bounded JSON body, or answers what is wrong with it and returns false.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", tooLarge.Limit))
	case err != nil:
		fail(w, http.StatusBadRequest, fmt.Errorf("read the request: %w", err))
	}
	return err == nil
}

// fail answers in the shape of Grafana's errors.
func fail(w http.ResponseWriter, code int, err error) {
	answer(w, code, map[string]string{"message": err.Error()})
}

func answer(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"message":"the answer can't be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text) // the browser went away
}
