package gateway

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// routesOf answers the routes of a service, "GET /v1/requests/{id}".
func routesOf(t *testing.T, service string) (out []string) {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		t.Fatal(err)
	}
	methods := d.(protoreflect.ServiceDescriptor).Methods()
	for i := range methods.Len() {
		rule, _ := proto.GetExtension(methods.Get(i).Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, r := range append(rule.GetAdditionalBindings(), rule) {
			if method, path := methodAndPath(r); path != "" {
				out = append(out, method+" "+path)
			}
		}
	}
	return out
}

// Every route is found at its own service, or left to the mux of all; never
// sent to another.
func TestWay_FindsTheServiceOfEveryRoute(t *testing.T) {
	root, all := &way{}, services(true)
	for _, s := range all {
		if err := root.learn(s.service); err != nil {
			t.Fatal(err)
		}
	}
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	routes, found := 0, 0
	for _, s := range all {
		for _, route := range routesOf(t, s.service) {
			method, path, _ := strings.Cut(route, " ")
			switch got := root.service(method, parameter.ReplaceAllString(path, "x-1")); got {
			case s.service:
				found++
			case "":
			default:
				t.Errorf("%s is sent to %s", route, got)
			}
			routes++
		}
	}
	if routes < 200 || found < routes*9/10 {
		t.Errorf("of %d routes %d are found", routes, found)
	}
}

func TestWay_LeavesTheRestAlone(t *testing.T) {
	root := &way{}
	root.add("GET", "/v1/requests/{id}", "a")
	root.add("GET", "/v1/requests/mine", "b")
	root.add("POST", "/v1/requests/{id}:accept", "a")
	root.add("POST", "/v1/{kind}/x", "c")
	root.add("POST", "/v1/requests/{id}", "d")
	for request, want := range map[string]string{
		"GET /v1/requests/1": "a", "GET /v1/requests/mine": "", "GET /v1/requests": "", "GET /v1/requests/1/2": "", "GET /": "",
		"PUT /v1/requests/1": "", "POST /v1/offers/x": "c", "POST /v1/requests/x": "", "POST /v1/requests/1:accept": "",
		"POST /v1/requests/1:refuse": "", "GET /v1/requests/1:2": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := root.service(method, path); got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}
