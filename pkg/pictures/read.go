package pictures

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/linli-project/linli/pkg/rule"
)

// read tells by its bytes what a file is, and walks over its parts.
func read(file []byte) (found, error) {
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xd8\xff")):
		return readJPEG(file)
	case bytes.HasPrefix(file, []byte(pngMark)):
		return readPNG(file)
	case len(file) >= 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP":
		return readWebP(file)
	case isHEIC(file):
		return found{}, rule.New(rule.Invalid, "PICTURE_HEIC", "chunk")
	}
	return found{}, wrongType()
}

func wrongType() error {
	return rule.New(rule.Invalid, "PICTURE_TYPE", "chunk", "taken", "JPEG, PNG, WebP")
}

// Recognized says whether a file begins as a picture does that is taken, or as
// one that telephones make and that is refused with advice.
func Recognized(file []byte) bool {
	return bytes.HasPrefix(file, []byte("\xff\xd8\xff")) || bytes.HasPrefix(file, []byte(pngMark)) ||
		len(file) >= 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP" || isHEIC(file)
}

// isHEIC says whether a file is of the family that telephones save in unless
// they are told otherwise.
func isHEIC(file []byte) bool {
	if len(file) < 12 || string(file[4:8]) != "ftyp" {
		return false
	}
	size := min(int(binary.BigEndian.Uint32(file)), len(file), 256)
	for at := 8; at+4 <= size; at += 4 {
		brands := []string{"heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs", "mif1", "msf1", "heif"}
		if at != 12 && slices.Contains(brands, string(file[at:at+4])) { // at 12 stands a version
			return true
		}
	}
	return false
}

// Markers of JPEG.
const (
	markSOI = 0xd8
	markEOI = 0xd9
	markSOS = 0xda
	markCOM = 0xfe
)

// readJPEG walks over the segments. What the pixels are coded in is skipped.
func readJPEG(file []byte) (found, error) {
	f := found{form: formJPEG, file: file}
	at := 2
	for {
		if skip := bytes.IndexByte(file[at:], 0xff); skip >= 0 { // padding, and coded pixels
			at += skip
		} else {
			return f, unreadable() // no end
		}
		for at < len(file) && file[at] == 0xff {
			at++
		}
		if at >= len(file) {
			return f, unreadable() // no end
		}
		mark := file[at]
		at++
		switch {
		case mark == 0 || mark >= 0xd0 && mark <= 0xd7 || mark == markSOI || mark == 0x01: // no segment
			continue
		case mark == markEOI:
			f.beside = append(f.beside, file[at:])
			return f, nil
		}
		if at+2 > len(file) {
			return f, unreadable()
		}
		size := int(binary.BigEndian.Uint16(file[at:]))
		if size < 2 || at+size > len(file) {
			return f, unreadable()
		}
		segment := file[at+2 : at+size]
		at += size
		switch {
		case mark == markSOS:
			f.scans++
		case mark >= 0xe0 && mark <= 0xef || mark == markCOM:
			f.beside = append(f.beside, segment)
		case isFrame(mark):
			if f.width != 0 || !f.frame(mark, segment) {
				return f, unreadable()
			}
		}
	}
}

// isFrame says whether a marker begins a frame.
func isFrame(mark byte) bool {
	return mark >= 0xc0 && mark <= 0xcf && mark != 0xc4 && mark != 0xc8 && mark != 0xcc
}

// frame reads the size of a JPEG and what its decoding takes: a byte for each
// sample, and where it is progressive four more.
func (f *found) frame(mark byte, segment []byte) bool {
	if len(segment) < 6 || len(segment) < 6+3*int(segment[5]) || segment[5] == 0 || segment[5] > 4 {
		return false
	}
	f.height, f.width = int(binary.BigEndian.Uint16(segment[1:])), int(binary.BigEndian.Uint16(segment[3:]))
	samples, across, down := 0, 1, 1
	for i := range int(segment[5]) {
		hv := int(segment[6+3*i+1])
		h, v := hv>>4, hv&15
		samples, across, down = samples+h*v, max(across, h), max(down, v)
	}
	each := 1
	if mark == 0xc2 {
		each = 5
	}
	f.quarterKept = (4*samples + across*down - 1) / (across * down)
	f.quarterBytes = f.quarterKept * each
	return true
}

const pngMark = "\x89PNG\r\n\x1a\n"

// readPNG walks over the chunks.
func readPNG(file []byte) (found, error) {
	f := found{form: formPNG, file: file}
	for at := len(pngMark); ; {
		if at+12 > len(file) {
			return f, unreadable() // no end
		}
		size, name := int64(binary.BigEndian.Uint32(file[at:])), string(file[at+4:at+8])
		if int64(at)+12+size > int64(len(file)) {
			return f, unreadable()
		}
		chunk := file[at+8 : at+8+int(size)]
		at += 12 + int(size)
		switch name {
		case "IHDR":
			if f.width != 0 || len(chunk) != 13 {
				return f, unreadable()
			}
			w, h := binary.BigEndian.Uint32(chunk), binary.BigEndian.Uint32(chunk[4:])
			f.width, f.height = int(min(w, MostSide+1)), int(min(h, MostSide+1))
			f.quarterBytes, f.quarterKept, f.scans = 4*4, 4*4, 1
			if chunk[8] == 16 {
				f.quarterBytes, f.quarterKept = 4*8, 4*8
			}
		case "IDAT", "PLTE":
		case "IEND":
			f.beside = append(f.beside, file[at:])
			return f, nil
		default:
			f.beside = append(f.beside, chunk)
		}
	}
}

// readWebP walks over the chunks. One that moves is refused.
func readWebP(file []byte) (found, error) {
	f := found{form: formWebP, file: file, quarterBytes: 4 * 8, quarterKept: 4 * 4, scans: 1}
	end := int64(binary.LittleEndian.Uint32(file[4:])) + 8
	if end > int64(len(file)) {
		return f, unreadable()
	}
	f.beside = append(f.beside, file[end:])
	for at := int64(12); at+8 <= end; {
		name, size := string(file[at:at+4]), int64(binary.LittleEndian.Uint32(file[at+4:]))
		if at+8+size > end {
			return f, unreadable()
		}
		chunk := file[at+8 : at+8+size]
		at += 8 + size + size&1
		switch name {
		case "VP8X":
			if len(chunk) < 10 {
				return f, unreadable()
			}
			f.grow(1+le24(chunk[4:]), 1+le24(chunk[7:]))
		case "VP8 ":
			if len(chunk) < 10 {
				return f, unreadable()
			}
			f.grow(int(binary.LittleEndian.Uint16(chunk[6:])&0x3fff), int(binary.LittleEndian.Uint16(chunk[8:])&0x3fff))
		case "VP8L":
			if len(chunk) < 5 {
				return f, unreadable()
			}
			bits := binary.LittleEndian.Uint32(chunk[1:])
			f.grow(1+int(bits&0x3fff), 1+int(bits>>14&0x3fff))
		case "ALPH":
		case "ANIM", "ANMF":
			return f, wrongType()
		default:
			f.beside = append(f.beside, chunk)
		}
	}
	return f, nil
}

// grow notes a size that a part of the file has: the largest counts.
func (f *found) grow(w, h int) { f.width, f.height = max(f.width, w), max(f.height, h) }

func le24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
