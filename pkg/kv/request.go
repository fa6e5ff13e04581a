package kv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
)

var (
	errEmptyKey = errors.New("kv: a key is empty")
	errUnsorted = errors.New("kv: keys of a commit are unsorted or repeated")
)

// NewVersion draws the version of one commit. It is never 0 (absent) and never
// the mark that a transaction's own writes carry.
func NewVersion() Version {
	for {
		if v := Version(rand.Uint64() >> 1); v != 0 && v != ownVersion {
			return v
		}
	}
}

// Validate says whether a request is well formed and within limits. Engines
// ask it before anything else: a request that cannot be written must not fail
// the others that are committed with it.
func (r CommitRequest) Validate(l Limits) error {
	if len(r.Checks) > l.Checks || len(r.Writes) > l.Writes {
		return fmt.Errorf("%w: %d checks and %d writes", ErrTooLarge, len(r.Checks), len(r.Writes))
	}
	var before []byte
	for i, c := range r.Checks {
		if err := validateKey(c.Key, before, i, l); err != nil {
			return err
		}
		before = c.Key
	}
	size := 0
	for i, w := range r.Writes {
		if err := validateKey(w.Key, before, i, l); err != nil {
			return err
		}
		if len(w.Value) > l.ValueBytes {
			return fmt.Errorf("%w: a value of %d bytes", ErrTooLarge, len(w.Value))
		}
		before, size = w.Key, size+len(w.Key)+len(w.Value)
	}
	if size > l.CommitBytes {
		return fmt.Errorf("%w: a transaction of %d bytes", ErrTooLarge, size)
	}
	return nil
}

// validateKey judges the i-th key of a list by itself and by the one before it.
func validateKey(key, before []byte, i int, l Limits) error {
	switch {
	case len(key) == 0:
		return errEmptyKey
	case len(key) > l.KeyBytes:
		return fmt.Errorf("%w: a key of %d bytes", ErrTooLarge, len(key))
	case i > 0 && bytes.Compare(before, key) >= 0:
		return errUnsorted
	}
	return nil
}
