package openapi

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validator checks JSON against the components of a document.
type Validator struct{ compiler *jsonschema.Compiler }

// documentURL names the document while schemas refer to it; nothing is fetched.
const documentURL = "file:///openapi.json"

// NewValidator reads a document.
func NewValidator(document string) (*Validator, error) {
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return nil, err
	}
	v := &Validator{compiler: jsonschema.NewCompiler()}
	v.compiler.AssertFormat()
	return v, v.compiler.AddResource(documentURL, parsed)
}

// Validate checks a body against a component's schema.
func (v *Validator) Validate(component string, body []byte) error {
	schema, err := v.compiler.Compile(documentURL + "#/components/schemas/" + component)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", component, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
