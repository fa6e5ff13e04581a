// Package e2e holds the tests that use linli as its users do: the built
// command, its ports and its data folder.
package e2e
