// Package openapi holds the generated description of the REST interface.
package openapi

import _ "embed"

//go:embed linli.swagger.json
var document []byte

// Document answers the OpenAPI 2.0 document.
func Document() []byte { return document }
