package gateway

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// way is a place in the tree of paths: a segment further are the names that
// routes have there, and any name where they have a parameter.
type way struct {
	named map[string]*way
	any   *way
	// ends are the services with a route that ends here, by HTTP method and verb:
	// "POST:accept".
	ends map[string][]string
}

// learn adds the routes of a service, from its options.
func (w *way) learn(service string) error {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return fmt.Errorf("descriptor of %s: %w", service, err)
	}
	methods := d.(protoreflect.ServiceDescriptor).Methods()
	for i := range methods.Len() {
		rule, _ := proto.GetExtension(methods.Get(i).Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, r := range append(rule.GetAdditionalBindings(), rule) {
			method, path := methodAndPath(r)
			if path == "" {
				continue
			}
			if strings.ContainsAny(path, "*=") {
				return fmt.Errorf("route %s: a parameter is one segment", path)
			}
			w.add(method, path, service)
		}
	}
	return nil
}

func methodAndPath(r *annotations.HttpRule) (method, path string) {
	switch {
	case r.GetGet() != "":
		return "GET", r.GetGet()
	case r.GetPost() != "":
		return "POST", r.GetPost()
	case r.GetPut() != "":
		return "PUT", r.GetPut()
	case r.GetPatch() != "":
		return "PATCH", r.GetPatch()
	}
	return "DELETE", r.GetDelete()
}

func (w *way) add(method, path, service string) {
	path, verb := cutVerb(path)
	at := w
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			if at.any == nil {
				at.any = &way{}
			}
			at = at.any
			continue
		}
		if at.named == nil {
			at.named = map[string]*way{}
		}
		if at.named[segment] == nil {
			at.named[segment] = &way{}
		}
		at = at.named[segment]
	}
	if at.ends == nil {
		at.ends = map[string][]string{}
	}
	at.ends[method+":"+verb] = append(at.ends[method+":"+verb], service)
}

// cutVerb parts "/v1/requests/{id}:accept"; the verb may be empty.
func cutVerb(path string) (before, verb string) {
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		return path[:i], path[i+1:]
	}
	return path, ""
}

// service answers the one service that has a route for a path; empty for none,
// and where several have one or a colon can be read in two ways.
func (w *way) service(method, path string) string {
	before, verb := cutVerb(path)
	found := w.find(strings.TrimPrefix(before, "/"), method+":"+verb, "")
	if verb != "" {
		if plain := w.find(strings.TrimPrefix(path, "/"), method+":", ""); plain != "" {
			return ""
		}
	}
	if found == several {
		return ""
	}
	return found
}

// several stands for more than one service.
const several = "*"

func (w *way) find(rest, end, found string) string {
	segment, rest, more := strings.Cut(rest, "/")
	for _, next := range []*way{w.named[segment], w.any} {
		switch {
		case next == nil:
		case more:
			found = next.find(rest, end, found)
		default:
			for _, service := range next.ends[end] {
				if found != "" && found != service {
					return several
				}
				found = service
			}
		}
	}
	return found
}
