package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// Labels of a target that are meant for us: everything else that begins with two underscores is Prometheus's own, and
// left out as it is there.
const (
	labelScheme  = "__scheme__"
	labelName    = "__weir_name__"
	labelID      = "__weir_id__"
	labelAuth    = "__weir_auth__"
	labelGroups  = "__weir_groups__" // by commas
	labelGateway = "__weir_gateway__"
)

// targetGroup is an element of Prometheus's file_sd and http_sd formats.
type targetGroup struct {
	Targets []string          `json:"targets" yaml:"targets"`
	Labels  map[string]string `json:"labels" yaml:"labels"`
}

// ParseTargets reads Prometheus's service discovery format, JSON or YAML: a list of {targets, labels}. The error is for
// a text that cannot be read at all; single targets that are wrong stand in the list's faults.
func ParseTargets(text []byte, d Defaults) (_ *List, err error) {
	defer func() {
		if fault := recover(); fault != nil { // the YAML library panics on some texts that are none
			err = fmt.Errorf("the text is no valid YAML (%.100s)", strings.Join(strings.Fields(fmt.Sprint(fault)), " "))
		}
	}()
	groups, err := decodeTargets(text)
	if err != nil {
		return nil, err
	}
	list := &List{}
	shared := hostsWithPorts(groups)
	for i, g := range groups {
		for _, target := range g.Targets {
			if len(list.Entries) >= MaxHosts {
				return nil, fmt.Errorf("more than %d targets", MaxHosts)
			}
			e, err := d.target(target, g.Labels, shared)
			if err != nil {
				list.fault("target %.100q of group %d: %v", hidden(target), i, err)
				continue
			}
			list.Entries = append(list.Entries, e)
		}
	}
	return list, nil
}

func decodeTargets(text []byte) (groups []targetGroup, err error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("longer than %d bytes", MaxBytes)
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '[' {
		err := json.Unmarshal(text, &groups)
		if err == nil {
			return groups, nil
		}
		if json.Valid(text) {
			return nil, fmt.Errorf("expected a list of objects with targets and labels: %w", explain(err))
		}
	}
	root, err := parseYAML(text)
	if err != nil || root == nil {
		return nil, err
	}
	if err := yaml.NodeToValue(root, &groups); err != nil {
		return nil, fmt.Errorf("expected a list of objects with targets and labels: %w", oneLine(err))
	}
	return groups, nil
}

// explain is encoding/json's error without the names of Go's types.
func explain(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("a %s at byte %d is not what is expected", kind.Value, kind.Offset)
	}
	return err
}

// hostsWithPorts are the hosts of several targets, whose names have the port.
func hostsWithPorts(groups []targetGroup) map[string]bool {
	seen, shared := make(map[string]string), make(map[string]bool)
	for _, g := range groups {
		for _, target := range g.Targets {
			host, port, err := net.SplitHostPort(target)
			if err != nil {
				continue
			}
			if other, ok := seen[host]; ok && other != port {
				shared[host] = true
			}
			seen[host] = port
		}
	}
	return shared
}

// target makes an entry of a target and the labels of its group.
func (d Defaults) target(target string, labels map[string]string, shared map[string]bool) (Entry, error) {
	if strings.Contains(target, "/") {
		return Entry{}, errors.New("expected host:port, as Prometheus does")
	}
	scheme := d.Scheme
	if scheme == "" {
		scheme = "https"
	}
	e := Entry{Labels: make(map[string]string)}
	for key, value := range labels {
		switch key {
		case labelScheme:
			scheme = value
		case labelName:
			e.Name = value
		case labelID:
			e.ID = value
		case labelAuth:
			e.Auth = value
		case labelGroups:
			for g := range strings.SplitSeq(value, ",") {
				if g = strings.TrimSpace(g); g != "" {
					e.Groups = append(e.Groups, g)
				}
			}
		case labelGateway:
			gateway, err := strconv.ParseBool(value)
			if err != nil {
				return Entry{}, fmt.Errorf("%s %.40q: expected true or false", key, value)
			}
			e.Gateway = gateway
		default:
			if !strings.HasPrefix(key, "__") {
				e.Labels[key] = value
			}
		}
	}
	if scheme != "http" && scheme != "https" {
		return Entry{}, fmt.Errorf("%s %.20q: expected https or http", labelScheme, scheme)
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		host, target = target, withPort(target)
	}
	if e.Name == "" {
		if e.Name = host; shared[host] {
			e.Name = target
		}
	}
	e.URL = scheme + "://" + target
	e = d.complete(e)
	return e, e.check()
}

// withPort adds the usual port.
func withPort(host string) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), "8145")
}
