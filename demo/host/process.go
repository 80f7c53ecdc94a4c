package host

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// messageSize is the largest gRPC message that is taken from the plugin, as large as in Grafana.
const messageSize = 1 << 30

// errClosed is the answer after Close.
var errClosed = errors.New("the plugin host is closed")

// services are the plugin's gRPC services.
type services struct {
	data        grpcplugin.DataClient
	diagnostics grpcplugin.DiagnosticsClient
	resource    grpcplugin.ResourceClient
	stream      grpcplugin.StreamClient
}

// process is the plugin's process: launched when it is needed, launched again when it has died.
type process struct {
	path    string
	timeout time.Duration
	logger  *slog.Logger

	mu      sync.Mutex
	client  *plugin.Client
	current services
	sockets string        // directory of the process's unix socket
	stopped chan struct{} // closed when the process has ended, for the thread that started it
	closed  bool
}

// services returns those of the running process, which is launched if there is none.
func (p *process) services() (services, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return services{}, errClosed
	case p.client != nil && !p.client.Exited():
		return p.current, nil
	case p.client != nil:
		p.logger.Warn("the plugin's process has died and is launched again")
		p.stop()
	}
	if err := p.launch(); err != nil {
		p.stop()
		return services{}, fmt.Errorf("launch plugin %s: %w", p.path, err)
	}
	return p.current, nil
}

// launch starts the process and connects to its services. The caller holds the lock.
func (p *process) launch() error {
	var err error
	if p.sockets, err = os.MkdirTemp("", "weir-host-"); err != nil {
		return err
	}
	command := exec.Command(p.path) //nolint:noctx // the process outlives the request that launches it; close ends it
	command.Env = []string{"GF_VERSION=12.3.0", plugin.EnvUnixSocketDir + "=" + p.sockets}
	command.SysProcAttr = dieWithParent()
	p.client = plugin.NewClient(&plugin.ClientConfig{
		Cmd: command,
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  grpcplugin.ProtocolVersion,
			MagicCookieKey:   grpcplugin.MagicCookieKey,
			MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]plugin.PluginSet{grpcplugin.ProtocolVersion: {
			"data":        &grpcplugin.DataGRPCPlugin{},
			"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
			"resource":    &grpcplugin.ResourceGRPCPlugin{},
			"stream":      &grpcplugin.StreamGRPCPlugin{},
		}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageSize))},
		SkipHostEnv:      true,
		StartTimeout:     p.timeout,
		Logger:           pluginLogger(p.logger),
	})
	rpc, err := p.connect()
	if err != nil {
		return err
	}
	return errors.Join(
		dispense(rpc, "data", &p.current.data),
		dispense(rpc, "diagnostics", &p.current.diagnostics),
		dispense(rpc, "resource", &p.current.resource),
		dispense(rpc, "stream", &p.current.stream),
	)
}

// connect starts the process on a thread that lives until stop: what the kernel takes for the parent that the process
// must not outlive is that thread (see dieWithParent).
func (p *process) connect() (plugin.ClientProtocol, error) {
	p.stopped = make(chan struct{})
	type answer struct {
		rpc plugin.ClientProtocol
		err error
	}
	connected := make(chan answer)
	go func(client *plugin.Client, stopped <-chan struct{}) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		rpc, err := client.Client()
		connected <- answer{rpc, err}
		<-stopped
	}(p.client, p.stopped)
	a := <-connected
	return a.rpc, a.err
}

// dispense connects to a service by its name.
func dispense[T any](rpc plugin.ClientProtocol, name string, into *T) error {
	raw, err := rpc.Dispense(name)
	if err != nil {
		return err
	}
	service, ok := raw.(T)
	if !ok {
		return fmt.Errorf("service %s: unexpected client %T", name, raw)
	}
	*into = service
	return nil
}

// stop ends the process, gracefully if it can, and removes its socket. The caller holds the lock.
func (p *process) stop() {
	if p.client != nil {
		p.client.Kill()
		p.client = nil
	}
	if p.stopped != nil {
		close(p.stopped)
		p.stopped = nil
	}
	if p.sockets != "" {
		if err := os.RemoveAll(p.sockets); err != nil {
			p.logger.Warn("remove the plugin's socket", "error", err)
		}
		p.sockets = ""
	}
}

// exited says whether the process has died since; without one it has.
func (p *process) exited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client == nil || p.client.Exited()
}

// pid is the running process's id, 0 without one.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil || p.client.Exited() {
		return 0
	}
	if reattach := p.client.ReattachConfig(); reattach != nil {
		return reattach.Pid
	}
	return 0
}

func (p *process) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.stop()
}
