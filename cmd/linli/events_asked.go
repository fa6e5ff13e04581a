package main

import (
	"fmt"
	"slices"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// asked is who answered a command, so that "nothing" is not taken for the
// answer of somebody who was not asked.
type asked struct {
	services, consumers []string
}

// add notes what a server says of itself and of what is parked there: the
// consumer of a parked event may be gone.
func (a *asked) add(page *pb.ListParkedResponse, service string) {
	for _, s := range page.GetServices() {
		if !slices.Contains(a.services, s.GetService()) {
			a.services = append(a.services, s.GetService())
		}
		if service == "" || service == s.GetService() {
			a.consumers = append(a.consumers, s.GetConsumers()...)
		}
	}
	for _, p := range page.GetParked() {
		a.consumers = append(a.consumers, p.GetConsumer())
	}
}

// has refuses a service or a consumer that nobody who was asked has.
func (a *asked) has(service, consumer string) error {
	if len(a.services) == 0 {
		return nil // a server of before does not say what it has
	}
	if service != "" && !slices.Contains(a.services, service) {
		return fmt.Errorf("--service %s: nobody who was asked has it, but %s; --grpc names the address of each process", service, a.names(""))
	}
	if consumer != "" && !slices.Contains(a.consumers, consumer) {
		slices.Sort(a.consumers)
		return fmt.Errorf("--consumer %s: no service that was asked has it; there are %s", consumer, strings.Join(slices.Compact(a.consumers), ", "))
	}
	return nil
}

// names are the services that were asked: the one that was wanted, or all.
func (a *asked) names(service string) string {
	switch {
	case service != "":
		return service
	case len(a.services) == 0:
		return "the services that were asked"
	}
	return strings.Join(a.services, ", ")
}
