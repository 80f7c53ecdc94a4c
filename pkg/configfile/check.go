package configfile

import (
	"encoding"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// checkValues finds the first value that does not suit its key, and says where it stands, which key it is and what is
// expected: the YAML library has no place, or the names of Go's types, for these.
func checkValues(text []byte, into reflect.Type) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return oneLine(err, into)
	}
	if len(file.Docs) > 1 {
		if second := file.Docs[1].Body; second != nil {
			return faultAt(second, "a second document begins here: a configuration is one")
		}
	}
	for _, d := range file.Docs {
		if err := checkNode(d.Body, into, ""); err != nil {
			return err
		}
	}
	return nil
}

// checkNode checks a node that is going to be read into a t. Keys that are not known and nodes of another shape are
// left to the library, which names them with their place.
func checkNode(n ast.Node, t reflect.Type, path string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := n.(type) {
	case *ast.AliasNode, *ast.NullNode, *ast.TagNode:
		return nil
	case *ast.AnchorNode:
		return checkNode(v.Value, t, path)
	case *ast.MappingValueNode:
		return checkMember(v, t, path)
	case *ast.MappingNode:
		for _, member := range v.Values {
			if err := checkMember(member, t, path); err != nil {
				return err
			}
		}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, entry := range v.Values {
			if err := checkNode(entry, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case ast.ScalarNode:
		return checkScalar(v, t, path)
	}
	return nil
}

func checkMember(m *ast.MappingValueNode, t reflect.Type, path string) error {
	if t.Kind() != reflect.Struct {
		return nil
	}
	name := m.Key.GetToken().Value
	for i := range t.NumField() {
		if f := t.Field(i); Key(f) == name {
			if path != "" {
				name = path + "." + name
			}
			return checkNode(m.Value, f.Type, name)
		}
	}
	return nil
}

func checkScalar(n ast.ScalarNode, t reflect.Type, path string) error {
	if text := n.GetToken().Value; !suits(n, text, t) {
		return faultAt(n, "%s: %q is no %s", path, text, expected(t))
	}
	return nil
}

// suits says that a scalar can be read into a t.
func suits(n ast.ScalarNode, text string, t reflect.Type) bool {
	if into, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		return into.UnmarshalText([]byte(text)) == nil
	}
	_, integer := n.(*ast.IntegerNode)
	_, float := n.(*ast.FloatNode)
	_, boolean := n.(*ast.BoolNode)
	switch {
	case t == reflect.TypeFor[time.Duration]():
		_, err := time.ParseDuration(text)
		return err == nil
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return integer
	case t.Kind() == reflect.Uint16:
		_, err := strconv.ParseUint(text, 10, 16)
		return integer && err == nil
	case t.Kind() == reflect.Float64:
		return integer || float
	case t.Kind() == reflect.Bool:
		return boolean
	}
	return true
}

// Expecter is a type of values that says what is expected of their text.
type Expecter interface{ Expected() string }

// expected describes the values of a type.
func expected(t reflect.Type) string {
	if described, ok := reflect.Zero(t).Interface().(Expecter); ok {
		return described.Expected()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration such as 10s or 5m"
	case t == reflect.TypeFor[netip.Prefix]():
		return "network such as 192.0.2.0/24"
	case t == reflect.TypeFor[slog.Level]():
		return "level: expected debug, info, warn or error"
	case t.Kind() == reflect.Bool:
		return "truth value: expected true or false"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Uint16:
		return "whole number from 0 to 65535"
	}
	return "whole number"
}

func faultAt(n ast.Node, format string, arguments ...any) error {
	at := n.GetToken().Position
	return fmt.Errorf("line %d, column %d: %s", at.Line, at.Column, fmt.Sprintf(format, arguments...))
}
