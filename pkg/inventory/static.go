package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxDepth bounds the nesting of a YAML text; an inventory needs four levels.
const maxDepth = 32

// Parse reads the inventory's own format:
//
//	hosts:
//	  - {name: fra-1, url: "https://fra-1.example:8145", labels: {company: acme, site: fra}, groups: [edge]}
//	groups:
//	  wan: [fra-1, "zrh-*", "@edge"]
//
// The error is for a text that cannot be read at all; single hosts that are wrong stand in the list's faults.
func Parse(text []byte) (_ *List, err error) {
	defer func() {
		if fault := recover(); fault != nil { // the YAML library panics on some texts that are none
			err = fmt.Errorf("the text is no valid YAML (%.100s)", strings.Join(strings.Fields(fmt.Sprint(fault)), " "))
		}
	}()
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	list := &List{}
	if root == nil {
		return list, nil
	}
	members, err := mapping(root)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		switch name := m.Key.GetToken().Value; name {
		case "hosts":
			err = list.readHosts(m.Value)
		case "groups":
			err = list.readGroups(m.Value)
		default:
			err = fmt.Errorf("line %d: unknown key %.40q: expected hosts and groups", lineOf(m), name)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// parseYAML checks bounds and returns the one document's root, nil if there is none.
func parseYAML(text []byte) (ast.Node, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, oneLine(err)
	}
	var root ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if root != nil {
			return nil, fmt.Errorf("line %d: a second document begins here: an inventory is one", lineOf(d.Body))
		}
		root = d.Body
	}
	aliases := aliasFinder{}
	if root != nil {
		ast.Walk(&aliases, root)
	}
	if aliases.found != nil {
		return nil, fmt.Errorf("line %d: anchors and aliases are not taken in an inventory", lineOf(aliases.found))
	}
	return root, nil
}

// checkText refuses what the YAML library takes long for: it is quadratic in the depth.
func checkText(text []byte) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("longer than %d bytes", MaxBytes)
	}
	open := 0
	for line := range bytes.Lines(text) {
		dashes := 0
		for _, b := range line {
			switch b {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			case '-', '?', '!', '&':
				dashes++
			case ' ', '\t':
			default:
				dashes = 0
			}
			if open > maxDepth || dashes > maxDepth*4 {
				return fmt.Errorf("nested deeper than %d levels", maxDepth)
			}
		}
		if indent := len(line) - len(bytes.TrimLeft(line, " ")); indent > maxDepth*16 {
			return fmt.Errorf("nested deeper than %d levels", maxDepth)
		}
	}
	return nil
}

type aliasFinder struct{ found ast.Node }

func (f *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		f.found = n
		return nil
	}
	return f
}

// mapping are the members of a node that has to be a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, error) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, nil
	case *ast.NullNode:
		return nil, nil
	}
	return nil, fmt.Errorf("line %d: expected names with values", lineOf(n))
}

func sequence(n ast.Node, what string) ([]ast.Node, error) {
	switch v := n.(type) {
	case *ast.SequenceNode:
		return v.Values, nil
	case *ast.NullNode:
		return nil, nil
	}
	return nil, fmt.Errorf("line %d: expected a list of %s", lineOf(n), what)
}

func (l *List) readHosts(n ast.Node) error {
	hosts, err := sequence(n, "hosts")
	if err != nil {
		return err
	}
	if len(hosts) > MaxHosts {
		return fmt.Errorf("%d hosts, at most %d are taken", len(hosts), MaxHosts)
	}
	for _, node := range hosts {
		var e Entry
		if err := decodeNode(node, &e); err != nil {
			l.fault("%v", err)
			continue
		}
		if err := e.check(); err != nil {
			l.fault("line %d: %v", lineOf(node), err)
			continue
		}
		l.Entries = append(l.Entries, e)
	}
	return nil
}

func (l *List) readGroups(n ast.Node) error {
	groups, err := mapping(n)
	if err != nil {
		return err
	}
	l.Groups = make(map[string][]string, len(groups))
	for _, g := range groups {
		name := g.Key.GetToken().Value
		var members []string
		if err := decodeNode(g.Value, &members); err != nil {
			l.fault("group %.40q: %v", name, err)
			continue
		}
		if err := checkGroups([]string{name}); err != nil || len(members) > MaxHosts {
			l.fault("line %d: the group %.40q has no name that can be used, or more than %d members", lineOf(g), name, MaxHosts)
			continue
		}
		l.Groups[name] = members
	}
	return nil
}

// decodeNode reads a node into a value; its error has the line.
func decodeNode(n ast.Node, into any) error {
	if n == nil {
		return errors.New("the list has an empty place")
	}
	if err := yaml.NodeToValue(n, into, yaml.Strict()); err != nil {
		err = oneLine(err)
		if strings.HasPrefix(err.Error(), "line ") {
			return err
		}
		return fmt.Errorf("line %d: %w", lineOf(n), err)
	}
	return nil
}

func lineOf(n ast.Node) int {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0]
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// oneLine is the YAML library's error without its drawing.
func oneLine(err error) error {
	var fault yaml.Error
	message := err.Error()
	if errors.As(err, &fault) {
		message = fault.GetMessage()
		if t := fault.GetToken(); t != nil && t.Position != nil {
			message = fmt.Sprintf("line %d: %s", t.Position.Line, message)
		}
	}
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "?")), " ")
	if len(message) > 200 {
		message = strings.ToValidUTF8(message[:200], "") + "…"
	}
	return errors.New(message)
}
