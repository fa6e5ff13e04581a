package pictures

import (
	"archive/zip"
	"bytes"
	"errors"
)

// marks begin what a browser, a viewer or an unpacker would take a file for, in
// lower case. They are looked for beside the pixels only: telephones put a
// second picture or a short film behind the first, and these are dropped.
func marks() []string {
	return []string{
		"<html", "<!doctype", "<script", "<iframe", "<body", "<svg ", "<?php", "javascript:", "%pdf-",
		"rar!\x1a\x07", "7z\xbc\xaf\x27\x1c",
	}
}

// twoKinds says whether a picture is something else as well. An archive is told
// by its end, wherever it begins.
func twoKinds(file []byte, beside [][]byte) bool {
	for _, part := range beside {
		small := lower(part)
		for _, m := range marks() {
			if bytes.Contains(small, []byte(m)) {
				return true
			}
		}
	}
	_, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	return err == nil || errors.Is(err, zip.ErrInsecurePath)
}

// lower answers the bytes with the letters of ASCII made small, and nothing
// else changed.
func lower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
