package seal

import "fmt"

// Slot is a sealed value in a row, with what it takes to seal it anew.
type Slot struct {
	// Value points into the row.
	Value *[]byte
	// Box is the purpose of the box that sealed it; empty for Keyring.Seal.
	Box string
	// Place is what it was sealed for.
	Place []string
	// Kept values cannot be sealed anew: they open with something that is not
	// in the store. They stay under their key until they go.
	Kept bool
}

// Field is a value that Keyring.Seal sealed for a place.
func Field(value *[]byte, place ...string) Slot { return Slot{Value: value, Place: place} }

// InBox is a value that the box of a purpose sealed for a place.
func InBox(purpose string, value *[]byte, place ...string) Slot {
	return Slot{Value: value, Box: purpose, Place: place}
}

// KeptAsIs is a value that opens with something that is not in the store.
func KeptAsIs(value *[]byte) Slot { return Slot{Value: value, Kept: true} }

// Version is the version of the data key under which the value was sealed; 0
// when there is none.
func (s Slot) Version() uint32 { return Version(*s.Value) }

// Version is the version of the data key under which something was sealed; 0
// when nothing was.
func Version(sealed []byte) uint32 {
	v, _ := head(sealed)
	return v
}

// Reseal seals the value of a slot under the newest data key, unless it is or
// is kept, and says whether it did.
func (k *Keyring) Reseal(s Slot) (bool, error) {
	if v := s.Version(); s.Kept || len(*s.Value) == 0 || v == k.state.Load().newest.version {
		return false, nil
	}
	seal, open := k.Seal, k.Open
	if s.Box != "" {
		box := k.Box(s.Box)
		seal, open = box.Seal, box.Open
	}
	plain, err := open(*s.Value, s.Place...)
	if err != nil {
		return false, fmt.Errorf("open a value to seal it anew: %w", err)
	}
	*s.Value = seal(plain, s.Place...)
	return true, nil
}

// Newest is the version of the data key that seals.
func (k *Keyring) Newest() uint32 { return k.state.Load().newest.version }

// OpenSlot opens the value of a slot; nil for one that is empty, and for one that
// opens with something that is not in the store.
func (k *Keyring) OpenSlot(s Slot) ([]byte, error) {
	switch {
	case s.Kept || len(*s.Value) == 0:
		return nil, nil
	case s.Box != "":
		return k.Box(s.Box).Open(*s.Value, s.Place...)
	}
	return k.Open(*s.Value, s.Place...)
}
