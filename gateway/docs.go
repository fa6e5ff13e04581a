package gateway

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"strings"

	"github.com/linli-project/linli/proto/openapi"
)

//go:embed pages
var pageFiles embed.FS

// pages serves the API page, from files of our own.
func pages() http.Handler {
	sub, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		panic("gateway: the embedded pages are gone: " + err.Error())
	}
	return http.StripPrefix("/docs/", http.FileServerFS(sub))
}

// welcome says where things are until the interface is built.
func welcome(dev bool) http.HandlerFunc {
	mode := "welcome.html"
	if dev {
		mode = "welcome-dev.html"
	}
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "pages/"+mode) }
}

// first is where the one-time link of a start without administrators leads. Its
// code stands behind the # and never comes here: the page sends it in a body.
func first(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "pages/first.html")
}

// newDocument serves the generated OpenAPI document with the plain routes
// added to it, and without --dev those of development left out.
func newDocument(dev bool) (http.Handler, error) {
	var doc map[string]any
	if err := json.Unmarshal(openapi.Document(), &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	paths, ok := doc["paths"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the OpenAPI document has no paths")
	}
	for path, item := range plainPaths() {
		paths[path] = item
	}
	for path, item := range attachedPaths() { // beside what is generated there
		if there, ok := paths[path].(map[string]any); ok {
			maps.Copy(item, there)
		}
		paths[path] = item
	}
	maps.DeleteFunc(paths, func(path string, _ any) bool { return !dev && strings.HasPrefix(path, "/v1/dev/") })
	doc["info"] = map[string]any{"title": "linli 邻里", "version": "v1"}
	doc["securityDefinitions"] = map[string]any{"bearer": map[string]any{"type": "apiKey", "in": "header", "name": "Authorization"}}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the caller is gone when this fails
	}), nil
}

// plainPaths describes the routes that are not generated.
func plainPaths() map[string]any {
	object := map[string]any{"200": map[string]any{"description": "A successful response."}}
	csv := map[string]any{"name": "body", "in": "body", "required": true, "description": "CSV in UTF-8 or GB18030, or a workbook where it is taken.",
		"schema": map[string]any{"type": "string", "format": "binary"}}
	id := map[string]any{"name": "id", "in": "path", "required": true, "type": "string"}
	query := func(name, what string) map[string]any {
		return map[string]any{"name": name, "in": "query", "type": "boolean", "description": what}
	}
	operation := func(name, tag, summary string, parameters ...any) map[string]any {
		return map[string]any{"operationId": name, "tags": []string{tag}, "summary": summary,
			"parameters": parameters, "responses": object, "consumes": []string{mediaCSV}}
	}
	roster := operation("ImportRoster", "RegistryService",
		"Takes a roster in CSV or XLSX: good rows come in, every fault is answered by line and column.",
		id, query("acceptReportIns", "Take a date in 报到日期 as an accepted report-in."), query("dryRun", "Check everything and change nothing."), csv)
	roster["consumes"] = []string{mediaCSV, mediaXLSX}
	return map[string]any{
		"/v1/organizations:import": map[string]any{"post": operation("ImportOrganizations", "RegistryService",
			"Registers organizations from a CSV; sent again, it changes nothing.", query("dryRun", "Check and change nothing."), csv)},
		"/v1/organizations/{id}/members:invite": map[string]any{"post": operation("InviteMembers", "AccountService",
			"Makes codes by which members enter, as CSV; each is told once.", id, query("renew", "New codes for those who have one; the old ones end."))},
		"/v1/organizations/{id}/rosters:import": map[string]any{"post": roster},
		"/.well-known/jwks.json": map[string]any{"get": operation("GetKeySet", "SessionService",
			"The public keys that verify access tokens, as a JSON Web Key Set.")},
		"/v1/changes": map[string]any{"get": map[string]any{"operationId": "WatchChanges", "tags": []string{"WatchService"},
			"summary":   "A stream of server-sent events: what changed in the caller's offices or concerns the caller.",
			"responses": object, "produces": []string{"text/event-stream"}}},
		"/v1/letters/{id}/csv": map[string]any{"get": operation("RenderLetter", "EvaluationService",
			"A letter as CSV, with the names as they are in the registry now.", id)},
		"/v1/applications/{id}/letter/xlsx": map[string]any{"get": operation("RenderApplicationLetter", "LetterService",
			"The latest letter to an applicant as XLSX.", id)},
		"/v1/ledgerExports/{id}/csv": map[string]any{"get": operation("RenderLedgerExport", "LedgerExportService",
			"An approved export as CSV, with the names that its reader may see in the registry now.", id)},
	}
}
