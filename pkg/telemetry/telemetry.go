// Package telemetry exports spans by OTLP over HTTP, in its JSON form, with OpenTelemetry's SDK behind. It is the one
// package that knows the SDK: a program that is not configured to export makes none of it, and serve and agent know
// OpenTelemetry's API alone. The JSON form spares every program gRPC and Protocol Buffers.
//
// Neighbours: serve makes the spans of requests, package span those within them; the commands hand this in.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says where traces go.
type Config struct {
	// Endpoint is the base URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; empty: no
	// traces are exported.
	Endpoint string `yaml:"endpoint"`
	// Headers are sent with every export, for collectors that authenticate; not over an unencrypted network.
	Headers map[string]string `yaml:"headers"`
	// SampleRatio is the share of queries that are traced, where the caller's traceparent does not decide it.
	SampleRatio float64 `yaml:"sample_ratio"`
}

// DefaultConfig exports nothing.
func DefaultConfig() Config { return Config{Headers: map[string]string{}, SampleRatio: 1} }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.SampleRatio < 0 || c.SampleRatio > 1 {
		return fmt.Errorf("tracing.sample_ratio is %g: between 0 and 1", c.SampleRatio)
	}
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return errors.New("tracing.endpoint: expected the URL of a collector, such as http://127.0.0.1:4318")
	}
	if len(c.Headers) > 0 && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return errors.New("tracing.headers would be sent unencrypted: use https:// in tracing.endpoint")
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// Resource is who the spans come from.
type Resource struct{ Service, Version, Host, HostID string }

// Deps of an exporter. Logger is required.
type Deps struct {
	Logger   *slog.Logger
	Resource Resource
	Client   *http.Client // nil: one with timeouts
}

// Telemetry exports spans until Close. The nil Telemetry exports none.
type Telemetry struct{ provider *sdk.TracerProvider }

// exportTimeout bounds one export, its repetition included.
const exportTimeout = 10 * time.Second

// New starts an exporter; nil where the configuration asks for none.
func New(cfg Config, deps Deps) (*Telemetry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Endpoint == "" {
		return nil, nil
	}
	if deps.Client == nil {
		deps.Client = &http.Client{Timeout: exportTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the collector redirects, which is not followed")
		}}
	}
	e := &exporter{url: strings.TrimRight(cfg.Endpoint, "/") + "/v1/traces", headers: cfg.Headers, deps: deps}
	r := deps.Resource
	return &Telemetry{sdk.NewTracerProvider(
		sdk.WithBatcher(e, sdk.WithExportTimeout(exportTimeout)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.SampleRatio))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", r.Service), attribute.String("service.version", r.Version),
			attribute.String("host.name", r.Host), attribute.String("host.id", r.HostID))),
	)}, nil
}

// Provider makes tracers; nil where nothing is exported.
func (t *Telemetry) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Close exports what waits, within ctx, and ends.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
