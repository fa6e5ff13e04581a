package boltkv

import (
	"encoding/binary"
	"fmt"

	"github.com/linli-project/linli/pkg/kv"
)

// The pages of a bbolt file (format version 2, in the machine's byte order): a
// header of id, flags, count and overflow; then count elements; then, without
// gaps and in the elements' order, what they point at.
const (
	pageHeader  = 16
	elementSize = 16

	offFlags    = 8
	offCount    = 10
	offOverflow = 12

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketElement = 0x01 // flag of a leaf element that holds a bucket
	bucketHeader  = 16   // root page and sequence, before an inline page
)

// page is one page of a tree, taken apart. Keys and values alias its bytes.
type page struct {
	leaf     bool
	elements []element
}

type element struct {
	key    []byte
	value  []byte // of a leaf
	bucket bool   // of a leaf: the value is a bucket
	child  uint64 // of a branch
}

// parsePage takes a branch or leaf page apart. bbolt packs a page without gaps,
// so that a wrong count or size shows in what follows it.
func parsePage(b []byte) (page, error) {
	if len(b) < pageHeader {
		return page{}, damagedPage("is cut short")
	}
	order := binary.NativeEndian
	p := page{leaf: order.Uint16(b[offFlags:]) == leafPage}
	if !p.leaf && order.Uint16(b[offFlags:]) != branchPage {
		return p, damagedPage("is of an unknown kind")
	}
	count := int(order.Uint16(b[offCount:]))
	at := pageHeader + count*elementSize // where the next key must lie
	if at > len(b) {
		return p, damagedPage("has too many elements")
	}
	p.elements = make([]element, count)
	for i := range p.elements {
		head := pageHeader + i*elementSize
		next, err := p.elements[i].parse(b, head, at, p.leaf)
		if err != nil {
			return p, err
		}
		at = next
	}
	return p, nil
}

// parse reads the element whose head is given and whose key must lie at a
// place; it answers where the next one's must.
func (e *element) parse(b []byte, head, at int, leaf bool) (next int, err error) {
	order := binary.NativeEndian
	var pos, keySize, valueSize uint32
	if leaf {
		flags := order.Uint32(b[head:])
		if flags > bucketElement {
			return 0, damagedPage("has an element of an unknown kind")
		}
		e.bucket = flags == bucketElement
		pos, keySize, valueSize = order.Uint32(b[head+4:]), order.Uint32(b[head+8:]), order.Uint32(b[head+12:])
	} else {
		pos, keySize, e.child = order.Uint32(b[head:]), order.Uint32(b[head+4:]), order.Uint64(b[head+8:])
	}
	end := int64(at) + int64(keySize) + int64(valueSize)
	if int64(head)+int64(pos) != int64(at) || keySize == 0 || end > int64(len(b)) {
		return 0, damagedPage("has an element out of place")
	}
	e.key = b[at : at+int(keySize)]
	e.value = b[at+int(keySize) : end]
	return int(end), nil
}

func damagedPage(what string) error { return fmt.Errorf("%w: a page %s", kv.ErrCorrupt, what) }
