package rpc

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
