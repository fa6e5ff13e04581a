package gateway

// attachedPaths describes the routes of files.
func attachedPaths() map[string]map[string]any {
	done := map[string]any{"200": map[string]any{"description": "A successful response."}}
	in := func(name, where, kind, what string) map[string]any {
		return map[string]any{"name": name, "in": where, "required": where == "path", "type": kind, "description": what}
	}
	body := map[string]any{"name": "body", "in": "body", "required": true, "description": "The file as it is, or a form with it. What it is is told by its content.",
		"schema": map[string]any{"type": "string", "format": "binary"}}
	add := func(name, summary string, parameters ...any) map[string]any {
		return map[string]any{"post": map[string]any{"operationId": name, "tags": []string{"AttachmentService"}, "summary": summary,
			"parameters": append(parameters, body), "responses": done, "consumes": []string{"application/octet-stream", "multipart/form-data"}}}
	}
	return map[string]map[string]any{
		"/v1/requests/{requestId}/pictures": add("AddPicture",
			"Adds a picture to a request: JPEG, PNG or WebP of at most 10 MiB, 40 megapixels and 12,000 pixels a side.",
			in("requestId", "path", "string", ""), in("showsFace", "query", "boolean", "A face can be recognized: staff only.")),
		"/v1/applications/{applicationId}/documents": add("AddDocument",
			"Adds a document to an application: PDF, DOCX or XLSX of at most 10 MiB, without what acts when it is opened.",
			in("applicationId", "path", "string", "")),
		"/v1/keyProjects/{projectId}/proofs": add("AddProof", "Adds a proof: a document or a picture.",
			in("projectId", "path", "string", ""), in("of", "query", "string", "PROOF_OF_READING, PROOF_OF_SPENDING or PROOF_OF_ACCEPTANCE."),
			in("ofId", "query", "string", "The id of the reading or the entry; of an acceptance the number of the look.")),
		"/v1/blobs/{id}": {"get": map[string]any{"operationId": "ReadBlob", "tags": []string{"AttachmentService"},
			"summary":    "The file of an address, for five minutes; of a picture in one of its sizes. Parts of it by Range.",
			"parameters": []any{in("id", "path", "string", ""), in("size", "query", "string", ""), in("expires", "query", "integer", ""), in("reader", "query", "string", ""), in("sig", "query", "string", "")},
			"responses":  done, "produces": []string{"application/octet-stream"}}},
	}
}
