package pictures_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// canary stands in the metadata of samples, and must be in nothing that is kept.
const canary = "GPS-CANARY-28.11N"

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func sampleFile(t testing.TB, name string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(filepath.Join("testdata", name)))
}

// scene is a picture whose corner at the top left is red and whose other corners
// are not.
func scene(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: 30, G: uint8(80 + 100*x/w), B: uint8(80 + 100*y/h), A: 255}
			if x < w/3 && y < h/3 {
				c = color.NRGBA{R: 230, G: 10, B: 10, A: 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// exif answers metadata with an orientation, and the canary as maker and as the
// place where it was taken.
func exif(orientation uint16) []byte {
	text := canary + "\x00"
	le := binary.LittleEndian
	out := []byte("II*\x00\x08\x00\x00\x00")
	out = le.AppendUint16(out, 3)
	entry := func(tag, kind uint16, count, value uint32) {
		out = le.AppendUint16(le.AppendUint16(out, tag), kind)
		out = le.AppendUint32(le.AppendUint32(out, count), value)
	}
	entry(0x010f, 2, uint32(len(text)), 50)
	entry(0x0112, 3, 1, uint32(orientation))
	entry(0x8825, 4, 1, uint32(50+len(text)))
	out = append(le.AppendUint32(out, 0), text...)
	gps := uint32(len(out))
	out = le.AppendUint16(out, 1)
	entry(0x001b, 7, uint32(len(text)), gps+2+12+4)
	return append(le.AppendUint32(out, 0), text...)
}

// segment answers a JPEG with one more segment at its beginning.
func segment(file []byte, mark byte, content []byte) []byte {
	out := append([]byte{}, file[:2]...)
	out = append(out, 0xff, mark)
	out = binary.BigEndian.AppendUint16(out, uint16(len(content)+2))
	return append(append(out, content...), file[2:]...)
}

// chunk answers a PNG with one more chunk behind its first.
func chunk(file []byte, name string, content []byte) []byte {
	const head = 8 + 25
	out := append([]byte{}, file[:head]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(content)))
	named := append([]byte(name), content...)
	out = append(out, named...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(named))
	return append(out, file[head:]...)
}

// riff answers a WebP with one more chunk at its end.
func riff(file []byte, name string, content []byte) []byte {
	out := append([]byte{}, file...)
	out = append(out, name...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(content)))
	out = append(out, content...)
	if len(content)%2 == 1 {
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// extended answers a lossy WebP with the head that metadata needs.
func extended(file []byte) []byte {
	le := binary.LittleEndian
	return extendedTo(file, int(le.Uint16(file[26:])), int(le.Uint16(file[28:])))
}

func extendedTo(file []byte, w, h int) []byte {
	out := append([]byte{}, file[:12]...)
	out = append(out, "VP8X\x0a\x00\x00\x00\x08\x00\x00\x00"...)
	out = append(out, byte(w-1), byte((w-1)>>8), byte((w-1)>>16), byte(h-1), byte((h-1)>>8), byte((h-1)>>16))
	out = append(out, file[12:]...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// sized answers a PNG that says that it has another size, with a right checksum.
func sized(file []byte, w, h uint32) []byte {
	out := bytes.Clone(file)
	binary.BigEndian.PutUint32(out[16:], w)
	binary.BigEndian.PutUint32(out[20:], h)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

// sizedJPEG answers a JPEG whose frame says that it has another size.
func sizedJPEG(file []byte, w, h uint16) []byte {
	out := bytes.Clone(file)
	at := bytes.Index(out, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(out[at+5:], h)
	binary.BigEndian.PutUint16(out[at+7:], w)
	return out
}

func archive(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f := must[interface{ Write([]byte) (int, error) }](t)(w.Create("META-INF/MANIFEST.MF"))
	must[int](t)(f.Write([]byte("Main-Class: Applet")))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
