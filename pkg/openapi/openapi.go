// Package openapi holds the OpenAPI 3.1 description of the HTTP contract, openapi.json. A test of probe/agent generates
// it from the types that are encoded and decoded, and fails when it is out of date.
package openapi

import _ "embed"

//go:embed openapi.json
var document string

// MediaType is that of the document.
const MediaType = "application/vnd.oai.openapi+json;version=3.1"

// Document is the description in JSON.
func Document() string { return document }
