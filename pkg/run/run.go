// Package run names what a service does on its own, beside answering calls.
package run

import "context"

// Job is work that goes on until its context ends. It survives being killed
// at any moment and goes on where it was.
type Job struct {
	Name string
	Run  func(ctx context.Context) error
}
