// Package texts holds what people read: one message file a language, looked
// up by reason. Code holds no text for people.
package texts

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

// The languages. Chinese is the complete one and the default.
const (
	Chinese = "zh"
	English = "en"
)

//go:embed zh.json
var zhJSON []byte

//go:embed en.json
var enJSON []byte

// messages parses the files once, when the first text is asked for.
var messages = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for language, text := range map[string][]byte{Chinese: zhJSON, English: enJSON} {
		m := map[string]string{}
		if err := json.Unmarshal(text, &m); err != nil {
			panic("texts: " + language + ".json: " + err.Error())
		}
		all[language] = m
	}
	return all
})

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
