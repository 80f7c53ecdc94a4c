package capture

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"time"

	"github.com/fako1024/gotools/link"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/flow"
)

// OpenLive captures on an interface that exists and is up. What the kernel shows is what is handed over: on the
// loopback interface every packet twice, once sent and once received; before segmentation what is sent, after
// coalescing what is received, where the device leaves those to the kernel or does them itself. The errors wrap
// ErrNoInterface, ErrInterfaceDown, ErrNoPermission or ErrUnsupportedLink where it is one of those.
func OpenLive(cfg LiveConfig) (Source, error) {
	source, err := openLive(cfg)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", cfg.Interface, err)
	}
	return source, nil
}

func openLive(cfg LiveConfig) (Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	device, err := findDevice(cfg.Interface)
	if err != nil {
		return nil, err
	}
	open := openRing
	if cfg.Backend == BackendSlimcap {
		open = openSlimcap
	}
	source, err := open(cfg, device)
	if err != nil {
		return nil, explain(err, cfg.Interface)
	}
	return source, nil
}

func (cfg LiveConfig) withDefaults() (LiveConfig, error) {
	cfg.Backend = cmp.Or(cfg.Backend, BackendRing)
	cfg.BlockSize = cmp.Or(cfg.BlockSize, DefaultBlockSize)
	cfg.Blocks = cmp.Or(cfg.Blocks, DefaultBlocks)
	cfg.SnapLength = cmp.Or(cfg.SnapLength, DefaultSnapLength)
	cfg.Latency = cmp.Or(cfg.Latency, Latency)
	if err := cfg.Backend.Validate(); err != nil {
		return cfg, err
	}
	switch size, smallest := cfg.BlockSize, os.Getpagesize(); {
	case size < smallest || size > MaxBlockSize || bits.OnesCount(uint(size)) != 1:
		return cfg, fmt.Errorf("ring block size %d is not a power of two from %d to %d", size, smallest, MaxBlockSize)
	case cfg.Blocks < MinBlocks || cfg.Blocks > MaxBlocks:
		return cfg, fmt.Errorf("number of ring blocks %d is not from %d to %d", cfg.Blocks, MinBlocks, MaxBlocks)
	case cfg.Blocks > MaxRingSize/size:
		return cfg, fmt.Errorf("ring of %d blocks of %d bytes is larger than %d bytes", cfg.Blocks, size, MaxRingSize)
	case cfg.SnapLength < MinSnapLength || cfg.SnapLength > MaxSnapLength:
		return cfg, fmt.Errorf("snap length %d is not from %d to %d", cfg.SnapLength, MinSnapLength, MaxSnapLength)
	case cfg.Latency < time.Millisecond || cfg.Latency > Latency:
		return cfg, fmt.Errorf("latency %s is not from 1ms to %s", cfg.Latency, Latency)
	case cfg.Backend == BackendSlimcap && (cfg.Latency != Latency || cfg.filters()):
		return cfg, fmt.Errorf("backend %s has a latency of %s and no filter", BackendSlimcap, Latency)
	}
	return cfg, cfg.ValidateFilter()
}

func noInterface(name string, existing []string) error {
	hint := ""
	if nearest, ok := flow.Nearest(name, existing); ok {
		hint = fmt.Sprintf("; did you mean %q?", nearest)
	}
	return fmt.Errorf("%w%s (there are: %s)", ErrNoInterface, hint, strings.Join(existing, ", "))
}

func interfaceDown(name string) error {
	return fmt.Errorf("%w: take it up with `ip link set %s up`", ErrInterfaceDown, name)
}

// explain says what an error of the kernel or of slimcap means and what to do about it.
func explain(err error, name string) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		program, pathErr := os.Executable()
		if pathErr != nil {
			program = "PATH-OF-THE-PROGRAM"
		}
		return fmt.Errorf("%w: the capability CAP_NET_RAW is missing; grant it with `setcap cap_net_raw=ep %s`, "+
			"with AmbientCapabilities=CAP_NET_RAW in the systemd unit, or run as root", ErrNoPermission, program)
	case errors.Is(err, link.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return ErrNoInterface
	case errors.Is(err, link.ErrNotUp), errors.Is(err, unix.ENETDOWN):
		return interfaceDown(name)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("the kernel has no memory for the ring, smaller or fewer blocks may help: %w", err)
	}
	return err
}
