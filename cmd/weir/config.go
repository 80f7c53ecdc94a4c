package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/render"
)

// maxConfigFile bounds a file of interfaces.
const maxConfigFile = 1 << 20

// configVerb is one run of weir config.
type configVerb struct {
	app        *app
	connection connection
	server     string
	format     string
	file       string
	reload     bool
	silent     bool
}

func (a *app) configCommand() *cobra.Command {
	v := &configVerb{app: a}
	command := &cobra.Command{
		Use:   "config [--server ADDR] [-f FILE | -r] [flags] [IFACE...]",
		Short: "Show or change what a probe captures",
		Long: `Show how a probe captures its interfaces, or change it: -f takes the interfaces of a file and no others, until the
probe reads its own file again; -r makes it do so now. FILE is YAML or JSON: an object of interfaces, or a goProbe
configuration, of which the part interfaces counts. Probes of goProbe understand the same. Without --server the
probe of this machine is asked. Changing needs the role admin.

Exit code: 0 for an answer, and if all changes took effect; 1 if one of them did not.`,
		Example: `  weir config
  weir config --server probe-a:8145 eth0
  weir config --server probe-a:8145 -f interfaces.yaml
  weir config -r`,
		RunE: func(command *cobra.Command, arguments []string) error { return v.run(command.Context(), arguments) },
	}
	command.Flags().StringVar(&v.server, "server", "", "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path")
	command.Flags().StringVarP(&v.file, "file", "f", "", "capture the interfaces in `FILE` and no others (- is standard input)")
	command.Flags().BoolVarP(&v.reload, "reload", "r", false, "make the probe read its configuration again")
	command.Flags().BoolVar(&v.silent, "silent", false, "with -f and -r: say nothing unless something failed")
	command.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt or json")
	v.connection.register(command.Flags())
	completes(command, nil, map[string]completer{"format": words("txt", "json"), "file": files})
	command.ValidArgsFunction = func(c *cobra.Command, arguments []string, text string) ([]string, cobra.ShellCompDirective) {
		p := place{}
		if v.server != "" {
			p.servers = []string{v.server}
		}
		names := slices.DeleteFunc(a.known(p, &v.connection).Interfaces, func(name string) bool { return slices.Contains(arguments, name) })
		return words(names...)(c, arguments, text)
	}
	return command
}

func (v *configVerb) run(ctx context.Context, interfaces []string) error {
	change := v.file != "" || v.reload
	switch {
	case v.format != "txt" && v.format != "json":
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt or json", v.format), "")
	case v.file != "" && v.reload:
		return usage("-f and -r exclude each other", "")
	case change && len(interfaces) > 0:
		return usage("interfaces are named, but -f and -r are about all of them", "")
	case v.silent && !change:
		return usage("--silent is for -f and -r", "")
	}
	if err := v.connection.check(true); err != nil {
		return err
	}
	var wanted map[string]client.InterfaceConfig
	if v.file != "" { // what is wrong with the file is said before anybody is asked
		var err error
		if wanted, err = v.read(); err != nil {
			return err
		}
	}
	server, err := v.app.dialOrLocal(&v.connection, v.server)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // closes idle connections
	switch {
	case v.reload:
		changes, err := server.ReloadConfig(ctx)
		return v.changed(changes, err)
	case v.file != "":
		changes, err := server.Configure(ctx, wanted)
		return v.changed(changes, err)
	}
	return v.show(ctx, server, interfaces)
}

func (v *configVerb) show(ctx context.Context, server *client.Client, interfaces []string) error {
	config, err := server.Config(ctx, interfaces...)
	if err != nil {
		return err
	}
	if len(config) == 0 {
		return failure(fmt.Errorf("%s: nothing is captured%s", server.Address(), on(interfaces)), "weir config without names shows all interfaces that are")
	}
	if v.format == "json" {
		return json.NewEncoder(render.InertJSON(v.app.stdout)).Encode(config)
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "iface\tpromiscuous\tblock size\tblocks\tring\tVLANs\tfilters\tcaptured\t\n")
	yes := map[bool]string{true: "yes", false: "no"}
	for _, name := range slices.Sorted(maps.Keys(config)) {
		c := config[name]
		ring := cmp.Or(c.RingBuffer, &client.RingBuffer{})
		size := render.Size(uint64(max(ring.BlockSize, 0)) * uint64(max(ring.NumBlocks, 0)))
		filters := "none"
		if extra := bytes.TrimSpace(c.ExtraBPF); len(extra) > 0 && string(extra) != "null" && string(extra) != "[]" {
			filters = "BPF"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t\n", render.Line(name), yes[c.Promiscuous], ring.BlockSize, ring.NumBlocks, size,
			map[bool]string{true: "ignored", false: "counted"}[c.IgnoreVLANs], filters, yes[!c.Disable])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = io.WriteString(v.app.stdout, out.String())
	return err
}

// changed says what became of a change. goProbe v4 says of changes that took effect that they did not, except for
// interfaces that were enabled: without a message, only those count as failed.
func (v *configVerb) changed(c *client.ConfigChanges, err error) error {
	if err != nil {
		return err
	}
	failed := 0
	describe := func(changes []client.ConfigChange, believed bool) string {
		names := []string{}
		for _, change := range changes {
			text := render.Line(change.Name)
			if !change.Success && (believed || change.Message != "") {
				failed++
				text += " FAILED"
				if change.Message != "" {
					text += ": " + render.Line(change.Message)
				}
			}
			names = append(names, text)
		}
		return "[" + strings.Join(names, ", ") + "]"
	}
	text := fmt.Sprintf("Enabled: %s Updated: %s Disabled: %s\n", describe(c.Enabled, true), describe(c.Updated, false), describe(c.Disabled, false))
	switch {
	case v.silent && failed == 0:
	case v.format == "json":
		err = json.NewEncoder(render.InertJSON(v.app.stdout)).Encode(c)
	default:
		_, err = io.WriteString(v.app.stdout, text)
	}
	if err == nil && failed > 0 {
		err = failure(fmt.Errorf("%s did not take effect", plural(uint64(failed), "change")), "weir status says what is captured")
	}
	return err
}

// read takes the interfaces of a file.
func (v *configVerb) read() (map[string]client.InterfaceConfig, error) {
	source := v.app.stdin
	if v.file != "-" {
		file, err := os.Open(v.file)
		if err != nil {
			return nil, failure(err, "")
		}
		defer file.Close()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, maxConfigFile+1))
	switch {
	case err != nil:
		return nil, failure(fmt.Errorf("read %s: %w", v.file, err), "")
	case len(text) > maxConfigFile:
		return nil, usage(fmt.Sprintf("%s is larger than %d bytes", v.file, maxConfigFile), "")
	}
	wanted, err := readInterfaces(text)
	if err != nil {
		return nil, usage(fmt.Sprintf("%s: %s", v.file, err), "expected interfaces with their settings, such as: eth0: {promisc: true, ring_buffer: {block_size: 1048576, num_blocks: 4}}")
	}
	return wanted, nil
}

// readInterfaces reads YAML or JSON: interfaces, or a whole configuration. Members that no interface has are refused.
func readInterfaces(text []byte) (wanted map[string]client.InterfaceConfig, err error) {
	defer func() { // the reader of YAML panics on some texts
		if recover() != nil {
			wanted, err = nil, errors.New("neither YAML nor JSON")
		}
	}()
	if hasAnchor(text) {
		return nil, errors.New("anchors of YAML (&name) are not understood here: write the settings out")
	}
	var whole struct {
		Interfaces any `yaml:"interfaces"`
	}
	if err := yaml.Unmarshal(text, &whole); err == nil && whole.Interfaces != nil {
		part, err := yaml.Marshal(whole.Interfaces)
		if err != nil {
			return nil, err
		}
		text = part
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("neither YAML nor JSON: %s", yaml.FormatError(err, false, false))
	}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return nil, errors.New("it names no interface")
	}
	return wanted, nil
}

// hasAnchor says that a text may have an anchor, whose repetition would make a small file a huge one.
func hasAnchor(text []byte) bool {
	for i, c := range text {
		if c == '&' && (i == 0 || strings.IndexByte(" \t\n[{,:-", text[i-1]) >= 0) {
			return true
		}
	}
	return false
}
