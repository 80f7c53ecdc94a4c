package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// channelAddress is the address of a channel of Grafana Live: that of a data source has its uid as the namespace.
type channelAddress struct {
	Scope     string          `json:"scope"`
	Namespace string          `json:"namespace"`
	Path      string          `json:"path"`
	Data      json.RawMessage `json:"data"`
}

// stream subscribes to a channel of the plugin, runs it and sends its messages, one a line, until it ends or the browser
// goes away. Grafana sends them through a WebSocket to all who watch the channel; here, one watches.
func (h *Host) stream(w http.ResponseWriter, r *http.Request) {
	var address channelAddress
	if !decode(w, r, &address) {
		return
	}
	if address.Scope != "ds" || address.Namespace != h.config.DataSource.UID {
		fail(w, http.StatusNotFound, fmt.Errorf("channel %s/%s: only those of data source %q are known", address.Scope, address.Namespace, h.config.DataSource.UID))
		return
	}
	started := false
	err := h.Client().RunStream(r.Context(), address.Path, address.Data, func(message []byte) error {
		started = true
		_, err := fmt.Fprintf(w, "%s\n", message)
		if f, ok := w.(http.Flusher); ok && err == nil {
			f.Flush()
		}
		return err
	})
	switch {
	case err == nil || started:
	case errors.Is(err, errRefused):
		fail(w, http.StatusForbidden, err)
	default:
		h.logger.Error("stream", "path", address.Path, "error", err)
		fail(w, http.StatusInternalServerError, err)
	}
}

// errRefused is the answer to a subscription that the plugin does not take.
var errRefused = errors.New("the plugin refuses the subscription")

// RunStream subscribes to a channel and runs it, and hands each message, a frame in JSON, to send. It returns when the
// plugin has sent the last one.
func (c *Client) RunStream(ctx context.Context, path string, data json.RawMessage, send func([]byte) error) error {
	s, err := c.host.process.services()
	if err != nil {
		return err
	}
	plugin := backend.ToProto().PluginContext(c.host.pluginContext(backend.PluginContext{}, false))
	answer, err := s.stream.SubscribeStream(ctx, &pluginv2.SubscribeStreamRequest{PluginContext: plugin, Path: path, Data: data})
	switch {
	case err != nil:
		return err
	case answer.GetStatus() != pluginv2.SubscribeStreamResponse_OK:
		return fmt.Errorf("%w: %s", errRefused, answer.GetStatus())
	}
	stream, err := s.stream.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: plugin, Path: path, Data: data})
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := send(message.GetData()); err != nil {
			return err
		}
	}
}
