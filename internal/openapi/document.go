package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Operation is a method of a path.
type Operation struct {
	Method, Path, Summary string
	// Role is the least role that may call it; empty: nobody is asked.
	Role       string
	Parameters []Parameter
	Request    *Body
	Responses  []Response
}

// Parameter is one of the query string, or with InPath a part of the path.
type Parameter struct {
	Name, Description string
	InPath, Required  bool
	Schema            Schema
}

// Body is what a request carries.
type Body struct {
	MediaType string
	Type      any // a value of the Go type; nil: described by text only
}

// Response is one answer.
type Response struct {
	Status      int
	Description string
	Contents    []Body // none: no body
}

// Config is what a document is made of.
type Config struct {
	Title, Version, Description string
	Operations                  []Operation
	// Names are the components of types that are not named as in Go.
	Names map[reflect.Type]string
	// Root and Module are the module's directory and path, Packages those whose comments become descriptions.
	Root, Module string
	Packages     []string
	Overrides    Overrides
}

// Generate writes the document.
func Generate(cfg Config) ([]byte, error) {
	text, err := readComments(cfg.Root, cfg.Module, cfg.Packages)
	if err != nil {
		return nil, err
	}
	g := &generator{names: map[reflect.Type]string{}, overrides: cfg.Overrides, used: map[string]bool{}, comments: text,
		components: map[string]Schema{}}
	for value, name := range cfg.Names {
		g.names[value] = name
	}
	paths := map[string]map[string]Schema{}
	for _, o := range cfg.Operations {
		if paths[o.Path] == nil {
			paths[o.Path] = map[string]Schema{}
		}
		paths[o.Path][strings.ToLower(o.Method)] = g.operation(o)
	}
	for key := range cfg.Overrides {
		if !g.used[key] {
			return nil, fmt.Errorf("nothing is named %q", key)
		}
	}
	document := Schema{
		"openapi": "3.1.0",
		"info":    Schema{"title": cfg.Title, "version": cfg.Version, "description": cfg.Description},
		"paths":   paths,
		"components": Schema{"schemas": g.components, "securitySchemes": Schema{
			"bearer": Schema{"type": "http", "scheme": "bearer"},
			"basic":  Schema{"type": "http", "scheme": "basic", "description": "the token is the password"},
			"mtls":   Schema{"type": "mutualTLS"},
		}},
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(document)
	return b.Bytes(), err
}

func (g *generator) operation(o Operation) Schema {
	s := Schema{"summary": o.Summary, "operationId": operationID(o), "security": []Schema{}}
	if o.Role != "" {
		s["security"] = []Schema{{"bearer": []string{}}, {"basic": []string{}}, {"mtls": []string{}}}
		s["description"] = "Role: " + o.Role + "."
	}
	var parameters []Schema
	for _, p := range o.Parameters {
		place := "query"
		if p.InPath {
			place = "path"
		}
		parameters = append(parameters, Schema{"name": p.Name, "in": place, "required": p.Required || p.InPath, "description": p.Description, "schema": p.Schema})
	}
	if len(parameters) > 0 {
		s["parameters"] = parameters
	}
	if o.Request != nil {
		s["requestBody"] = Schema{"required": true, "content": g.contents([]Body{*o.Request})}
	}
	responses := Schema{}
	for _, r := range o.Responses {
		response := Schema{"description": r.Description}
		if len(r.Contents) > 0 {
			response["content"] = g.contents(r.Contents)
		}
		responses[strconv.Itoa(r.Status)] = response
	}
	s["responses"] = responses
	return s
}

func (g *generator) contents(bodies []Body) Schema {
	contents := Schema{}
	for _, b := range bodies {
		media := Schema{}
		if b.Type != nil {
			media["schema"] = g.schema(reflect.TypeOf(b.Type))
		}
		contents[b.MediaType] = media
	}
	return contents
}

// operationID names an operation after its method and path.
func operationID(o Operation) string {
	words := strings.FieldsFunc(o.Path, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz", r) })
	return strings.Join(slices.Insert(words, 0, strings.ToLower(o.Method)), "_")
}

// QueryParameters are the members of a request as they stand in a query string: those of the type, but for structs,
// whose members come from names ("dns_enabled" → "dns_resolution.enabled").
func QueryParameters(request any, names map[string]string) []Parameter {
	g := &generator{names: map[reflect.Type]string{}, comments: &comments{}, components: map[string]Schema{}}
	var list []Parameter
	t := reflect.TypeOf(request)
	for i := range t.NumField() {
		f := t.Field(i)
		member, optional, ok := jsonMember(f)
		if !ok {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			for k := range inner.NumField() {
				name, _, _ := jsonMember(inner.Field(k))
				list = append(list, Parameter{Name: alias(names, member+"."+name), Schema: g.schema(inner.Field(k).Type)})
			}
			continue
		}
		list = append(list, Parameter{Name: alias(names, member), Required: !optional, Schema: g.schema(f.Type)})
	}
	return list
}

func alias(names map[string]string, path string) string {
	for name, known := range names {
		if known == path {
			return name
		}
	}
	return path
}
