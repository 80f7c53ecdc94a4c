package host

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// health answers as Grafana does: 400 where the plugin says that something is wrong.
func (h *Host) health(w http.ResponseWriter, r *http.Request) {
	result, err := h.Client().CheckHealth(r.Context())
	if err != nil {
		h.logger.Error("health check", "error", err)
		answer(w, http.StatusInternalServerError, map[string]string{"message": "Plugin health check failed"})
		return
	}
	body := map[string]any{"status": result.Status.String(), "message": result.Message}
	if len(result.JSONDetails) > 0 {
		body["details"] = json.RawMessage(result.JSONDetails)
	}
	code := http.StatusOK
	if result.Status != backend.HealthStatusOk {
		code = http.StatusBadRequest
	}
	answer(w, code, body)
}

// resource passes a call on and its answer back, part by part.
func (h *Host) resource(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("read the request: %w", err))
		return
	}
	path := r.PathValue("path")
	url := path
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	request := &backend.CallResourceRequest{Path: path, Method: r.Method, URL: url, Headers: r.Header, Body: body}
	started := false
	err = h.Client().CallResource(r.Context(), request, func(part *backend.CallResourceResponse) error {
		if !started {
			started = true
			for name, values := range part.Headers {
				w.Header()[http.CanonicalHeaderKey(name)] = values
			}
			w.Header().Set("Content-Security-Policy", "sandbox")
			w.WriteHeader(part.Status)
		}
		if _, err := w.Write(part.Body); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
	switch {
	case err == nil:
	case started:
		h.logger.Warn("resource", "path", path, "error", err)
	default:
		h.logger.Error("resource", "path", path, "error", err)
		fail(w, http.StatusInternalServerError, fmt.Errorf("an error occurred within the plugin: %w", err))
	}
}
