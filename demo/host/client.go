package host

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Client calls the plugin's process. Requests without data source settings get those of the host. A call during
// which the process dies is made once more, to the new process: queries, health checks and resources change nothing.
type Client struct{ host *Host }

// QueryData runs queries.
func (c *Client) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	sent := *request
	sent.PluginContext = c.host.pluginContext(sent.PluginContext, sent.Headers[backend.FromAlertHeaderName] != "")
	var response *backend.QueryDataResponse
	err := c.host.call(ctx, func(s services) error {
		answer, err := s.data.QueryData(ctx, backend.ToProto().QueryDataRequest(&sent))
		if err != nil {
			return err
		}
		response, err = backend.FromProto().QueryDataResponse(answer)
		return err
	})
	return response, err
}

// CheckHealth is what "Save & test" asks.
func (c *Client) CheckHealth(ctx context.Context) (*backend.CheckHealthResult, error) {
	request := &pluginv2.CheckHealthRequest{
		PluginContext: backend.ToProto().PluginContext(c.host.pluginContext(backend.PluginContext{}, false)),
	}
	var result *backend.CheckHealthResult
	err := c.host.call(ctx, func(s services) error {
		answer, err := s.diagnostics.CheckHealth(ctx, request)
		if err == nil {
			result = backend.FromProto().CheckHealthResponse(answer)
		}
		return err
	})
	return result, err
}

// CallResource hands the parts of the answer to send as they arrive; the first one has status and headers.
func (c *Client) CallResource(ctx context.Context, request *backend.CallResourceRequest, send func(*backend.CallResourceResponse) error) error {
	sent := *request
	sent.PluginContext = c.host.pluginContext(sent.PluginContext, false)
	started := false
	return c.host.call(ctx, func(s services) error {
		stream, err := s.resource.CallResource(ctx, backend.ToProto().CallResourceRequest(&sent))
		if err != nil {
			return err
		}
		for {
			part, err := stream.Recv()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil && started:
				return errors.Join(errStarted, err)
			case err != nil:
				return err
			}
			started = true
			if err := send(backend.FromProto().CallResourceResponse(part)); err != nil {
				return errors.Join(errStarted, err)
			}
		}
	})
}

// errStarted marks a failure after part of the answer was handed out: it can't be made again.
var errStarted = errors.New("the answer broke off")

// call makes a call, and once more where the process died under it.
func (h *Host) call(ctx context.Context, do func(services) error) error {
	s, err := h.process.services()
	if err != nil {
		return err
	}
	err = do(s)
	if status.Code(err) != codes.Unavailable || errors.Is(err, errStarted) || !h.died(ctx) {
		return err
	}
	if s, err = h.process.services(); err != nil {
		return err
	}
	return do(s)
}

// died says whether the process has gone; its end is noticed a moment after its connection broke.
func (h *Host) died(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		if h.process.exited() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return false
}

// pluginContext completes what a request leaves open, with the user a browser or the alerting engine acts as.
func (h *Host) pluginContext(c backend.PluginContext, alert bool) backend.PluginContext {
	c.Namespace, c.PluginID = "default", PluginID
	if c.DataSourceInstanceSettings == nil {
		c.DataSourceInstanceSettings = h.source.instance()
	}
	if c.User == nil {
		c.User = &backend.User{Login: "admin", Name: "admin", Role: "Admin"}
		if alert {
			c.User = &backend.User{Login: "grafana_scheduler", Name: "grafana_scheduler", Role: "Admin"}
		}
	}
	return c
}
