// Package texts holds what people read: message files by language and area,
// looked up by reason. Code holds no text for people.
package texts

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

// The languages. Chinese is the complete one and the default.
const (
	Chinese = "zh"
	English = "en"
)

//go:embed zh en
var files embed.FS

// messages parses the files once, when the first text is asked for.
var messages = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, language := range []string{Chinese, English} {
		all[language] = map[string]string{}
		names, err := fs.Glob(files, language+"/*.json")
		if err != nil {
			panic("texts: " + err.Error())
		}
		for _, name := range names {
			if err := read(name, all[language]); err != nil {
				panic("texts: " + name + ": " + err.Error())
			}
		}
	}
	return all
})

// read adds the messages of a file. One reason has one text; two areas may both
// need the same word.
func read(name string, into map[string]string) error {
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	m := map[string]string{}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for reason, t := range m {
		if other, twice := into[reason]; twice && other != t {
			return fmt.Errorf("%s has another text in another file", reason)
		}
		into[reason] = t
	}
	return nil
}

// Text answers the message of a reason with its params (key, value, …) put
// in. A reason without a message is answered by its name.
func Text(language, reason string, params ...string) string {
	m, ok := messages()[language]
	if !ok {
		m = messages()[Chinese]
	}
	text, ok := m[reason]
	if !ok {
		return reason
	}
	pairs := make([]string, 0, len(params))
	for i := 0; i+1 < len(params); i += 2 {
		pairs = append(pairs, "{"+params[i]+"}", params[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Word answers a single word, as the name of a state is, in a language; a word
// that has no text is answered as it is.
func Word(language, kind, word string) string {
	id := kind + "." + word
	if text := Text(language, id); text != id {
		return text
	}
	return word
}

// Language picks a language from an Accept-Language header.
func Language(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch primary, _, _ := strings.Cut(strings.ToLower(tag), "-"); primary {
		case Chinese:
			return Chinese
		case English:
			return English
		}
	}
	return Chinese
}
