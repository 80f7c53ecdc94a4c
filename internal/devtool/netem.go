package devtool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// What Netem takes from Debian beside the kernel.
var (
	emulator  = Tool{"qemu-system-x86_64", "qemu-system-x86"}
	busybox   = Tool{"busybox", "busybox-static"}
	archiver  = Tool{"cpio", "cpio"}
	traffic   = Tool{"tc", "iproute2"}
	unpacker  = Tool{"dpkg", "dpkg"}
	aptGetter = Tool{"apt-get", "apt"}
)

const (
	// netemKernel is Debian's package that depends on the kernel of the day.
	netemKernel = "linux-image-cloud-amd64"
	// bootLimit bounds boot and tests together. They take less than a minute.
	bootLimit = 10 * time.Minute
	// netemDone is printed when all test programs have run.
	netemDone = "weir: all test programs have run"
)

// netemModules are the parts of the kernel that are not built into it, and which the tests use.
var netemModules = []string{"veth", "sch_netem", "nf_tables", "nft_reject_inet"}

// suite is a package and those of its tests that run on the other kernel. Every one must pass; none may skip.
type suite struct {
	program string
	pkg     string // directory below the module's root; the tests run there
	tests   []string
}

// TestRoundTripLive is not among them: its wire is a program, which an emulated machine makes late.
var netemSuites = []suite{
	{"meter.test", "probe/meter", []string{"TestRoundTripNetem", "TestVerdictsLive"}},
	{"tests.test", "tests", []string{"TestQueryRoundTripNetem", "TestQueryVerdicts"}},
}

// Netem runs the tests that need more of a kernel than the machine's may have, above all the delay of tc netem: on
// Debian's kernel, in an emulated machine whose whole system is an archive of busybox, ip, tc, nft and the tests. It
// needs no privilege but to install what is missing, and no virtualisation.
func Netem(ctx context.Context) error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return errors.New("netem: needs Linux on amd64, with Debian's packages")
	}
	// On Debian only root's own path leads to tc and nft.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if err := Require(ctx, emulator, busybox, archiver, traffic, unpacker, aptGetter, IP, NFTables); err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "weir-netem-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	kernel, modules, err := unpackKernel(ctx, filepath.Join(directory, "kernel"))
	if err != nil {
		return err
	}
	root := filepath.Join(directory, "root")
	if err := fillRoot(ctx, root, modules); err != nil {
		return err
	}
	archive, log := filepath.Join(directory, "initramfs"), filepath.Join(directory, "log")
	pack := Step{Name: "initramfs", Dir: root, Command: []string{"sh", "-c", "find . | cpio --quiet -o -H newc -R 0:0 >../initramfs"}}
	if err := pack.Run(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	boot := Step{Name: "tests on Debian's kernel, emulated", Show: true, Command: []string{emulator.Program,
		"-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1536", "-nodefaults", "-display", "none", "-no-reboot",
		"-chardev", "stdio,id=console,logfile=" + log, "-serial", "chardev:console",
		"-kernel", kernel, "-initrd", archive, "-append", "console=ttyS0 quiet loglevel=1 panic=-1"}}
	if err := boot.Run(limited); err != nil {
		return err
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	return judgeNetem(string(text), netemSuites)
}

// judgeNetem reads what the machine printed: all tests must have passed.
func judgeNetem(text string, suites []suite) error {
	outcomes := map[string]string{}
	done := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		done = done || line == netemDone
		// --- PASS: TestName (0.10s)
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "---" {
			outcomes[fields[2]] = strings.TrimSuffix(fields[1], ":")
		}
	}
	var problems []error
	for _, s := range suites {
		for _, name := range s.tests {
			switch outcome := outcomes[name]; outcome {
			case "PASS":
			case "":
				problems = append(problems, fmt.Errorf("%s did not run to its end", name))
			default:
				problems = append(problems, fmt.Errorf("%s: %s", name, outcome))
			}
		}
	}
	if !done {
		problems = append(problems, errors.New("the machine stopped before all test programs had run"))
	}
	if len(problems) > 0 {
		return fmt.Errorf("netem: %w", errors.Join(problems...))
	}
	fmt.Println("  all passed, none was skipped")
	return nil
}

// unpackKernel fetches Debian's kernel, without installing it, and returns its image and the modules to load: their
// files, each behind those it needs.
func unpackKernel(ctx context.Context, directory string) (image string, modules []string, err error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", nil, err
	}
	output, err := exec.CommandContext(ctx, "apt-cache", "depends", "--important", netemKernel).Output()
	if err != nil {
		return "", nil, fmt.Errorf("find the kernel's package: apt-cache depends %s: %w", netemKernel, err)
	}
	_, name, found := strings.Cut(string(output), "Depends: ")
	if !found {
		return "", nil, fmt.Errorf("find the kernel's package: %s depends on none: %s", netemKernel, output)
	}
	name, _, _ = strings.Cut(name, "\n")
	release := strings.TrimPrefix(name, "linux-image-")
	err = RunAll(ctx,
		Step{Name: "fetch " + name, Dir: directory, Command: []string{"apt-get", "download", name}},
		Step{Name: "unpack it", Dir: directory, Command: []string{"sh", "-c", "dpkg -x *.deb . && rm *.deb"}},
		Step{Name: "what its modules need", Command: []string{busybox.Program, "depmod", "-b", directory, release}},
	)
	if err != nil {
		return "", nil, err
	}
	base := filepath.Join(directory, "lib", "modules", release)
	dependencies, err := os.ReadFile(filepath.Join(base, "modules.dep"))
	if err != nil {
		return "", nil, err
	}
	if modules, err = loadOrder(string(dependencies), netemModules); err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	for i, module := range modules {
		modules[i] = filepath.Join(base, module)
	}
	return filepath.Join(directory, "boot", "vmlinuz-"+release), modules, nil
}

// loadOrder finds the files of modules and of all they need in modules.dep, whose lines are "FILE: FILE ...".
func loadOrder(dependencies string, names []string) ([]string, error) {
	files, needs := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(dependencies) {
		file, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(filepath.Base(file), ".ko")
		files[name], needs[file] = file, strings.Fields(rest)
	}
	var order []string
	seen := map[string]bool{}
	var visit func(file string)
	visit = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		for _, needed := range needs[file] {
			visit(needed)
		}
		order = append(order, file)
	}
	for _, name := range names {
		file, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("no module %s", name)
		}
		visit(file)
	}
	return order, nil
}
