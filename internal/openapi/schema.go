// Package openapi generates the OpenAPI 3.1 description of the HTTP contract from the Go types that are encoded and
// decoded, with their comments as descriptions. Tests run it; what it wrote is embedded by pkg/openapi.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Schema is a JSON schema (2020-12). Members are written in alphabetical order.
type Schema map[string]any

// Overrides add to or replace members of generated schemas, by component ("Args") or property ("Args.sort_by").
type Overrides map[string]Schema

// generator collects the components that types refer to.
type generator struct {
	names      map[reflect.Type]string
	overrides  Overrides
	used       map[string]bool // overrides
	comments   *comments
	components map[string]Schema
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	addressType  = reflect.TypeFor[netip.Addr]()
	rawType      = reflect.TypeFor[json.RawMessage]()
)

// schema is the schema of a type; structs become components and are referred to.
func (g *generator) schema(t reflect.Type) Schema {
	switch t {
	case timeType:
		return Schema{"type": "string", "format": "date-time"}
	case durationType:
		return Schema{"type": "integer", "format": "int64", "description": "nanoseconds"}
	case addressType:
		return Schema{"type": "string", "description": "IP address"}
	case rawType:
		return Schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem())
	case reflect.Struct:
		return g.component(t)
	case reflect.Slice, reflect.Array:
		s := Schema{"type": "array", "items": g.schema(t.Elem())}
		if t.Kind() == reflect.Array {
			s["minItems"], s["maxItems"] = t.Len(), t.Len()
		}
		return s
	case reflect.Map:
		return Schema{"type": "object", "additionalProperties": g.schema(t.Elem())}
	case reflect.Interface:
		return Schema{}
	}
	return g.named(t, scalar(t))
}

func scalar(t reflect.Type) Schema {
	switch t.Kind() {
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Float64:
		return Schema{"type": "number", "format": "double"}
	case reflect.Int, reflect.Int64:
		return Schema{"type": "integer", "format": "int64"}
	case reflect.Uint, reflect.Uint64:
		return Schema{"type": "integer", "format": "uint64", "minimum": 0}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return Schema{"type": "integer", "minimum": 0, "maximum": 1<<t.Bits() - 1}
	}
	panic(fmt.Sprintf("openapi: no schema for %s", t))
}

// named adds what is said about a type that is not plain.
func (g *generator) named(t reflect.Type, s Schema) Schema {
	g.override(t.Name(), s)
	return s
}

func (g *generator) override(key string, s Schema) {
	for name, value := range g.overrides[key] {
		g.used[key] = true
		s[name] = value
	}
}

// component makes the schema of a struct once, and refers to it.
func (g *generator) component(t reflect.Type) Schema {
	name, ok := g.names[t]
	if !ok {
		name = strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		for other, taken := range g.names {
			if taken == name {
				panic(fmt.Sprintf("openapi: %s and %s are both named %s", other, t, name))
			}
		}
		g.names[t] = name
	}
	reference := Schema{"$ref": "#/components/schemas/" + name}
	if g.components[name] != nil {
		return reference
	}
	s := Schema{"type": "object"}
	g.components[name] = s // before its fields, which may refer to it
	properties, required := Schema{}, []string{}
	g.members(t, name, func(member string, property Schema, optional bool) {
		if properties[member] = property; !optional {
			required = append(required, member)
		}
	})
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
	if text := g.comments.of(t); text != "" {
		s["description"] = text
	}
	g.override(name, s)
	return reference
}

// members are those of a struct, with those of the structs that are embedded in it.
func (g *generator) members(t reflect.Type, name string, add func(member string, property Schema, optional bool)) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct && field.Tag.Get("json") == "" {
			g.members(field.Type, name, add)
			continue
		}
		member, optional, ok := jsonMember(field)
		if !ok {
			continue
		}
		property := g.schema(field.Type)
		if text := g.comments.field(t, field.Name); text != "" {
			property["description"] = text // beside a $ref it is allowed since 3.1
		}
		g.override(name+"."+member, property)
		add(member, property, optional)
	}
}

// jsonMember is the name of a field in JSON, and whether it may be left out.
func jsonMember(f reflect.StructField) (name string, optional, ok bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return "", false, false
	}
	if name == "" {
		name = f.Name
	}
	return name, strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero"), true
}
