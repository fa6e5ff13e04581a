package rpc

import "google.golang.org/protobuf/reflect/protoreflect"

// ChainOrder answers the names of the chain's elements, outermost first.
func ChainOrder() []string {
	c, err := newChain(Config{})
	if err != nil {
		panic(err)
	}
	var names []string
	for _, e := range c.elements {
		names = append(names, e.name)
		if e.why == "" {
			panic(e.name + " does not say why it stands there")
		}
	}
	return names
}

// SafeMethods answers the methods that a client sends again, and the others.
func SafeMethods() (safe, other []string) {
	eachMethod(func(service, method string, m protoreflect.MethodDescriptor) {
		if natureOf(m).safe {
			safe = append(safe, "/"+service+"/"+method)
		} else {
			other = append(other, "/"+service+"/"+method)
		}
	})
	return safe, other
}
