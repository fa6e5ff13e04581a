package boltkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"

	"github.com/linli-project/linli/pkg/kv"
)

// Where bbolt keeps its two meta pages, as its file format (version 2) has it:
// a 16-byte page header, then the meta with its checksum last.
const (
	pageHeader   = 16
	metaMagic    = 0xED0CDAED
	metaChecked  = 56 // bytes of the meta under its checksum
	metaBytes    = metaChecked + 8
	offPageSize  = 8
	offHighWater = 40
	offTxID      = 48
)

// checkFile refuses a file that is shorter than its newest valid meta page
// says. bbolt would map it and fault in the middle of a read. A file that is
// absent or empty is fine: it will be made.
func checkFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("size of %s: %w", path, err)
	}
	if info.Size() == 0 {
		return nil
	}
	need, ok := neededSize(f)
	if !ok {
		return fmt.Errorf("open %s: %w: neither of its two meta pages is whole", path, kv.ErrCorrupt)
	}
	if info.Size() < need {
		return fmt.Errorf("open %s: %w: the file is torn: %d bytes, its pages need %d", path, kv.ErrCorrupt, info.Size(), need)
	}
	return nil
}

// neededSize answers how long the file must be for its newest valid meta.
func neededSize(f io.ReaderAt) (size int64, ok bool) {
	var newest uint64
	read := func(at int64) (pageSize int64) {
		buf := make([]byte, pageHeader+metaBytes)
		if _, err := f.ReadAt(buf, at); err != nil {
			return 0
		}
		meta := buf[pageHeader:]
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:metaChecked]) // a hash never fails
		if binary.NativeEndian.Uint32(meta) != metaMagic || sum.Sum64() != binary.NativeEndian.Uint64(meta[metaChecked:]) {
			return 0
		}
		pageSize = int64(binary.NativeEndian.Uint32(meta[offPageSize:]))
		if txid := binary.NativeEndian.Uint64(meta[offTxID:]); !ok || txid > newest {
			newest, ok = txid, true
			size = int64(binary.NativeEndian.Uint64(meta[offHighWater:])) * pageSize
		}
		return pageSize
	}
	if pageSize := read(0); pageSize > 0 {
		read(pageSize)
		return size, ok
	}
	// The first meta is broken; the second stands one page in, and pages are
	// powers of two.
	for at := int64(1 << 9); at <= 1<<16 && !ok; at <<= 1 {
		read(at)
	}
	return size, ok
}
