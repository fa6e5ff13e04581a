package pictures_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"sync"
	"testing"

	"github.com/linli-project/linli/pkg/pictures"
	"github.com/linli-project/linli/pkg/rule"
)

// sample is a file of the corpus, and what becomes of it: what is kept, or why
// it is refused.
type sample struct {
	name, keeps, reason string
	file                []byte
}

// corpus is every file that pictures are tried on.
func corpus(t testing.TB) []sample {
	var all []sample
	keeps := func(mediaType, name string, file []byte) { all = append(all, sample{name, mediaType, "", file}) }
	refuses := func(reason, name string, file []byte) { all = append(all, sample{name, "", reason, file}) }
	photo, drawing := jpegOf(t, scene(60, 45)), pngOf(t, scene(60, 45))
	lossy, lossless := sampleFile(t, "lossy.webp"), sampleFile(t, "lossless.webp")
	bases := map[string][]byte{"JPEG": photo, "PNG": drawing, "lossy WebP": lossy, "lossless WebP": lossless,
		"progressive JPEG": sampleFile(t, "progressive.jpg")}
	taken(t, keeps, bases)
	others(t, refuses)
	large(refuses, photo, drawing, lossy)
	hidden(t, keeps, refuses, bases)
	for name, file := range bases {
		for i := 1; i < 8; i++ {
			refuses("PICTURE_UNREADABLE", fmt.Sprintf("%s cut at %d/8", name, i), file[:len(file)*i/8])
		}
	}
	refuses("PICTURE_UNREADABLE", "PNG with a wrong checksum", append(bytes.Clone(drawing[:40]), append([]byte{drawing[40] ^ 1}, drawing[41:]...)...))
	refuses("PICTURE_UNREADABLE", "JPEG of markers alone", []byte("\xff\xd8\xff\xd9"))
	refuses("PICTURE_UNREADABLE", "JPEG with a segment without an end", []byte("\xff\xd8\xff\xe0\xff\xff"))
	refuses("PICTURE_UNREADABLE", "JPEG with two frames", append(bytes.Clone(photo[:bytes.Index(photo, []byte{0xff, 0xc4})]), photo[bytes.Index(photo, []byte{0xff, 0xc0}):]...))
	refuses("PICTURE_UNREADABLE", "PNG without pixels", chunk(drawing[:33], "IEND", nil))
	refuses("FILE_EMPTY", "nothing", nil)
	refuses("FILE_TOO_LARGE", "eleven megabytes", make([]byte, 11<<20))
	return all
}

// taken are pictures as cameras and programs write them.
func taken(t testing.TB, keeps func(mediaType, name string, file []byte), bases map[string][]byte) {
	for name, file := range bases {
		keeps(pictures.JPEG, name, file)
	}
	keeps(pictures.JPEG, "JPEG for print", sampleFile(t, "cmyk.jpg"))
	keeps(pictures.PNG, "WebP with transparency", sampleFile(t, "alpha.webp"))
	for _, size := range []image.Point{{1, 1}, {1, 40}, {40, 1}, {321, 200}, {20, 1601}, {1700, 90}, {5000, 20}, {12000, 1}} {
		keeps(pictures.JPEG, fmt.Sprintf("JPEG of %v", size), jpegOf(t, scene(size.X, size.Y)))
		keeps(pictures.JPEG, fmt.Sprintf("PNG of %v", size), pngOf(t, scene(size.X, size.Y)))
	}
	half := scene(40, 30)
	half.SetNRGBA(3, 3, color.NRGBA{G: 200, A: 90})
	keeps(pictures.PNG, "PNG with transparency", pngOf(t, half))
	gray := image.NewGray(image.Rect(0, 0, 30, 30))
	keeps(pictures.JPEG, "gray JPEG", jpegOf(t, gray))
	keeps(pictures.JPEG, "gray PNG", pngOf(t, gray))
	keeps(pictures.JPEG, "PNG of 16 bits", pngOf(t, image.NewGray16(image.Rect(0, 0, 30, 30))))
	keeps(pictures.PNG, "PNG of 16 bits with transparency", pngOf(t, image.NewNRGBA64(image.Rect(0, 0, 30, 30))))
	keeps(pictures.JPEG, "PNG with a palette", pngOf(t, image.NewPaletted(image.Rect(0, 0, 30, 30), color.Palette{color.White, color.Black})))
	keeps(pictures.PNG, "PNG with a palette and transparency", pngOf(t, image.NewPaletted(image.Rect(0, 0, 30, 30), color.Palette{color.Transparent, color.Black})))
	for o := range uint16(10) { // 0 and 9 say nothing
		keeps(pictures.JPEG, fmt.Sprintf("JPEG held as %d", o), segment(bases["JPEG"], 0xe1, append([]byte("Exif\x00\x00"), exif(o)...)))
		keeps(pictures.JPEG, fmt.Sprintf("PNG held as %d", o), chunk(bases["PNG"], "eXIf", exif(o)))
	}
	keeps(pictures.JPEG, "WebP with its place", riff(extended(bases["lossy WebP"]), "EXIF", exif(6)))
	keeps(pictures.JPEG, "JPEG with broken metadata", segment(bases["JPEG"], 0xe1, []byte("Exif\x00\x00II*\x00\xff\xff\xff\xff")))
}

// others are files of other kinds, by whatever name they came.
func others(t testing.TB, refuses func(reason, name string, file []byte)) {
	for _, brand := range []string{"heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs", "mif1", "msf1", "heif"} {
		refuses("PICTURE_HEIC", brand, []byte("\x00\x00\x00\x18ftyp"+brand+"\x00\x00\x00\x00mif1heic"))
	}
	refuses("PICTURE_HEIC", "HEIC by its second name", []byte("\x00\x00\x00\x1cftypABCD\x00\x00\x00\x00miafheic...."))
	for name, beginning := range map[string]string{
		"GIF87": "GIF87a", "GIF89": "GIF89a", "BMP": "BM\x46\x00\x00\x00", "TIFF": "II*\x00", "TIFF, the other way": "MM\x00*", "BigTIFF": "II+\x00",
		"SVG": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "SVG with a head": "<?xml version='1.0'?><svg/>",
		"SVG with a mark": "\xef\xbb\xbf<svg/>", "packed SVG": "\x1f\x8b\x08", "page": "<!DOCTYPE html><script>alert(1)</script>", "text": "a picture, honestly",
		"PDF": "%PDF-1.7", "PostScript": "%!PS-Adobe-3.0", "ZIP": "PK\x03\x04", "RAR": "Rar!\x1a\x07\x00", "7z": "7z\xbc\xaf\x27\x1c",
		"AVIF": "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmiaf", "JPEG XL": "\xff\x0a\x00\x00", "JPEG XL in a box": "\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a",
		"JPEG 2000": "\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", "icon": "\x00\x00\x01\x00", "cursor": "\x00\x00\x02\x00", "Photoshop": "8BPS\x00\x01",
		"film": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "Matroska": "\x1aE\xdf\xa3", "AVI": "RIFF\x10\x00\x00\x00AVI LIST",
		"sound": "RIFF\x10\x00\x00\x00WAVEfmt ", "program": "MZ\x90\x00", "ELF": "\x7fELF\x02\x01", "script": "#!/bin/sh", "Java": "\xca\xfe\xba\xbe",
		"shortcut": "L\x00\x00\x00\x01\x14\x02\x00", "Flash": "CWS\x09", "OLE": "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "netpbm": "P6 1 1 255 ", "raw": "\x00\x00\x00\x00\x00",
		"one byte": "\xff", "beginning of a JPEG": "\xff\xd8", "beginning of a PNG": "\x89PNG", "beginning of a WebP": "RIFF\x04\x00\x00\x00WEB",
	} {
		refuses("PICTURE_TYPE", name, []byte(beginning))
	}
	refuses("PICTURE_TYPE", "archive that begins as GIF", append([]byte("GIF89a"), archive(t)...))
	refuses("PICTURE_TYPE", "WebP that moves", riff(riff(extended(sampleFile(t, "lossy.webp")), "ANIM", make([]byte, 6)), "ANMF", make([]byte, 16)))
}

// large are files that say, or have, more than is decoded.
func large(refuses func(reason, name string, file []byte), photo, drawing, lossy []byte) {
	for _, s := range [][2]uint32{{10000, 10000}, {12001, 1}, {1, 12001}, {6325, 6325}, {30000, 30000}, {65535, 65535}, {1<<31 - 1, 1<<31 - 1}, {1<<32 - 1, 1}} {
		refuses("PICTURE_TOO_LARGE", fmt.Sprintf("PNG that says %v", s), sized(drawing, s[0], s[1]))
	}
	for _, s := range [][2]uint16{{10000, 10000}, {12001, 16}, {16, 12001}, {65535, 65535}, {6400, 6400}} {
		refuses("PICTURE_TOO_LARGE", fmt.Sprintf("JPEG that says %v", s), sizedJPEG(photo, s[0], s[1]))
	}
	refuses("PICTURE_TOO_LARGE", "WebP that says 16383 x 16383", extendedTo(lossy, 16383, 16383))
	big := bytes.Clone(lossy)
	binary.LittleEndian.PutUint16(big[26:], 16383)
	binary.LittleEndian.PutUint16(big[28:], 16383)
	refuses("PICTURE_TOO_LARGE", "WebP whose frame says 16383 x 16383", big)
	refuses("PICTURE_TOO_LARGE", "WebP with a small head and a large frame", extendedTo(big, 16, 16))
	refuses("PICTURE_UNREADABLE", "PNG that says 6000 x 6000 and has 60 x 45", sized(drawing, 6000, 6000))
	refuses("PICTURE_UNREADABLE", "PNG that has more than it says", sized(drawing, 60, 2))
	refuses("PICTURE_UNREADABLE", "PNG without a width", sized(drawing, 0, 45))
	scan := photo[bytes.Index(photo, []byte{0xff, 0xda}) : len(photo)-2]
	refuses("PICTURE_TOO_LARGE", "JPEG of a hundred scans", append(append(bytes.Clone(photo[:len(photo)-2]), bytes.Repeat(scan, 100)...), 0xff, 0xd9))
}

// hidden are pictures that are something else as well, and pictures with things
// that telephones put behind them.
func hidden(t testing.TB, keeps, refuses func(_, name string, file []byte), bases map[string][]byte) {
	inside := map[string]func(file, content []byte) []byte{
		"JPEG": func(f, c []byte) []byte { return segment(f, 0xfe, c) },
		"PNG":  func(f, c []byte) []byte { return chunk(f, "tEXt", append([]byte("Comment\x00"), c...)) },
		"lossy WebP": func(f, c []byte) []byte {
			return riff(extended(f), "XMP ", c)
		},
	}
	for name, content := range map[string]string{
		"page": "<html><body onload=alert(1)>", "page in capitals": "<HTML>", "document type": "<!DOCTYPE html>", "script": "<script>alert(1)</script>",
		"frame": "<iframe src=x>", "drawing": "<svg onload=alert(1)>", "PHP": "<?php system($_GET[0]);", "link": "javascript:alert(1)", "PDF": "%PDF-1.4\n1 0 obj",
		"RAR": "Rar!\x1a\x07\x00", "7z": "7z\xbc\xaf\x27\x1c\x00\x04",
	} {
		for base, in := range inside {
			refuses("FILE_TWO_KINDS", base+" with a "+name+" behind", append(bytes.Clone(bases[base]), content...))
			refuses("FILE_TWO_KINDS", base+" with a "+name+" inside", in(bases[base], []byte(content)))
		}
	}
	for base, file := range bases {
		refuses("FILE_TWO_KINDS", base+" that is an archive as well", append(bytes.Clone(file), archive(t)...))
		keeps(pictures.JPEG, base+" with a second picture behind", append(bytes.Clone(file), bases["JPEG"]...))
		keeps(pictures.JPEG, base+" with a film behind", append(bytes.Clone(file), "\x00\x00\x00\x18ftypmp42"+canary...))
	}
	// An archive may have a comment: here, the picture.
	inner := archive(t)
	binary.LittleEndian.PutUint16(inner[len(inner)-2:], uint16(len(bases["JPEG"])-2))
	refuses("FILE_TWO_KINDS", "JPEG that is the comment of an archive", segment(bases["JPEG"], 0xfe, inner))
	keeps(pictures.JPEG, "JPEG with a comment", segment(bases["JPEG"], 0xfe, []byte(canary)))
	keeps(pictures.JPEG, "PNG with a text", chunk(bases["PNG"], "tEXt", []byte("Author\x00"+canary)))
	keeps(pictures.JPEG, "JPEG with a profile", segment(bases["JPEG"], 0xe2, []byte("ICC_PROFILE\x00\x01\x01"+canary)))
}

func TestClean_Corpus(t *testing.T) {
	all, cleaner := corpus(t), pictures.NewCleaner()
	if len(all) < 200 {
		t.Errorf("%d files", len(all))
	}
	for _, s := range all {
		p, err := cleaner.Clean(t.Context(), s.file)
		if reason := reasonOf(err); reason != s.reason || err != nil && reason == "" {
			t.Errorf("%s: %v, want %q", s.name, err, s.reason)
			continue
		}
		if p.MediaType != s.keeps {
			t.Errorf("%s: kept as %q, want %q", s.name, p.MediaType, s.keeps)
		}
		if s.reason == "" {
			checkKept(t, s.name, p)
		}
	}
	t.Logf("%d files", len(all))
}

func reasonOf(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// checkKept: what is kept is what it says, as large as it may be, and holds
// nothing but pixels.
func checkKept(t *testing.T, name string, p pictures.Picture) {
	t.Helper()
	for i, file := range [][]byte{p.Whole, p.Medium, p.Small} {
		c, format, err := image.DecodeConfig(bytes.NewReader(file))
		if err != nil || "image/"+format != p.MediaType {
			t.Errorf("%s: size %d is %s, %v", name, i, format, err)
			continue
		}
		side := []int{pictures.WholeSide, pictures.MediumSide, pictures.SmallSide}[i]
		if c.Width > side || c.Height > side || c.Width < 1 || c.Height < 1 || i == 0 && (c.Width != p.Width || c.Height != p.Height) {
			t.Errorf("%s: size %d is %d x %d", name, i, c.Width, c.Height)
		}
		for _, left := range []string{canary, "Exif", "eXIf", "tEXt", "ICC_PROFILE", "iCCP", "ftyp", "II*\x00"} {
			if bytes.Contains(file, []byte(left)) {
				t.Errorf("%s: %q is left of what came", name, left)
			}
		}
		if format == "jpeg" && !bytes.HasSuffix(file, []byte("\xff\xd9")) || format == "png" && !bytes.HasSuffix(file, []byte("IEND\xaeB`\x82")) {
			t.Errorf("%s: something stands behind the picture", name)
		}
	}
}

// TestClean_TurnsThePicture: however the camera was held, the red corner comes
// to stand where the orientation says.
func TestClean_TurnsThePicture(t *testing.T) {
	const w, h = 120, 80
	corner := map[uint16]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 1}, 4: {0, 1}, 5: {0, 0}, 6: {1, 0}, 7: {1, 1}, 8: {0, 1}}
	for o, at := range corner {
		for name, file := range map[string][]byte{
			"JPEG": segment(jpegOf(t, scene(w, h)), 0xe1, append([]byte("Exif\x00\x00"), exif(o)...)),
			"PNG":  chunk(pngOf(t, scene(w, h)), "eXIf", exif(o)),
		} {
			p, err := pictures.NewCleaner().Clean(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			if lies := p.Width < p.Height; lies != (o >= 5) {
				t.Errorf("%s held as %d: %d x %d", name, o, p.Width, p.Height)
			}
			m, err := jpeg.Decode(bytes.NewReader(p.Small))
			if err != nil {
				t.Fatal(err)
			}
			b := m.Bounds()
			for _, c := range []image.Point{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
				r, g, _, _ := m.At(5+c.X*(b.Dx()-11), 5+c.Y*(b.Dy()-11)).RGBA()
				if red := r > 0xa000 && g < 0x6000; red != (c == at) {
					t.Errorf("%s held as %d: corner %v is red: %v", name, o, c, red)
				}
			}
		}
	}
}

// TestClean_KeepsTransparency: what one could see through can be seen through.
func TestClean_KeepsTransparency(t *testing.T) {
	m := scene(1700, 20)
	for x := range 850 {
		for y := range 20 {
			m.SetNRGBA(x, y, color.NRGBA{})
		}
	}
	p, err := pictures.NewCleaner().Clean(t.Context(), pngOf(t, m))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range [][]byte{p.Whole, p.Medium, p.Small} {
		out, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, left := out.At(1, 1).RGBA()
		_, _, _, right := out.At(out.Bounds().Dx()-2, 1).RGBA()
		if left != 0 || right != 0xffff {
			t.Errorf("left %x, right %x", left, right)
		}
	}
}

// TestClean_ManyAtOnce: more than fit into memory wait for one another, and who
// has gone does not wait.
func TestClean_ManyAtOnce(t *testing.T) {
	cleaner, file := pictures.NewCleaner(), jpegOf(t, scene(80, 60))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := cleaner.Clean(t.Context(), file); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cleaner.Clean(gone, sized(pngOf(t, scene(60, 45)), 6000, 6000)); err == nil {
		t.Error("kept a picture whose half is missing")
	}
}

func TestRecognized_TellsPicturesFromDocuments(t *testing.T) {
	for _, s := range corpus(t) {
		if want := s.keeps != "" || s.reason == "PICTURE_HEIC"; want && !pictures.Recognized(s.file) {
			t.Errorf("%s is not recognized", s.name)
		}
	}
	for _, other := range []string{"", "%PDF-1.7", "PK\x03\x04", "GIF89a", "RIFF"} {
		if pictures.Recognized([]byte(other)) {
			t.Errorf("%q is recognized", other)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range corpus(f) {
		if len(s.file) < 4<<10 {
			f.Add(s.file)
		}
	}
	cleaner := pictures.NewCleaner()
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 64<<10 {
			return
		}
		p, err := cleaner.Clean(t.Context(), file)
		switch {
		case err != nil && reasonOf(err) == "":
			t.Fatalf("refused without a reason: %v", err)
		case err == nil:
			checkKept(t, "what came", p)
		}
	})
}
