// Package pictures makes of a file that somebody sent a picture that can be
// shown: what it is is told by its bytes, its size is known before anything is
// decoded, it is turned the way it was held, and what is kept was encoded anew,
// so that nothing but pixels is left of what came (no place, no device, no
// name, nothing hidden behind the picture).
package pictures

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"

	"github.com/linli-project/linli/pkg/rule"
)

// Limits of what is taken and of what is kept, in pixels, bytes and scans.
const (
	// MostBytes is the largest file that is taken.
	MostBytes = 10 << 20
	// MostPixels is the largest area, MostSide the longest side that is taken.
	MostPixels = 40_000_000
	MostSide   = 12_000
	// WholeSide, MediumSide and SmallSide are the longest sides of what is kept.
	WholeSide  = 4096
	MediumSide = 1600
	SmallSide  = 320

	// mostScans of a progressive JPEG: each goes over all of the picture, and
	// takes a few bytes of the file. Cameras and programs write some ten.
	mostScans = 32
	// memory is what all decodings of a cleaner together may hold. One that needs
	// more than that by itself is refused: forty megapixels of 16 bits a colour.
	memory = 320 << 20
	// mostAtOnce is how many small pictures are decoded at once.
	mostAtOnce = 4
	quality    = 82
)

// Media types of what is kept.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
)

// Picture is what is kept of a file: three sizes of it, all of one media type.
// A picture that is no larger than a size is kept for that size as it is.
type Picture struct {
	MediaType            string
	Width, Height        int // of Whole
	Whole, Medium, Small []byte
}

// Cleaner makes pictures, so many at once as its memory allows. It is safe for
// concurrent use.
type Cleaner struct{ memory *semaphore.Weighted }

// NewCleaner makes a cleaner.
func NewCleaner() *Cleaner { return &Cleaner{memory: semaphore.NewWeighted(memory)} }

// Clean answers what is kept of a file. It refuses with FILE_EMPTY,
// FILE_TOO_LARGE, PICTURE_HEIC, PICTURE_TYPE, PICTURE_TOO_LARGE, FILE_TWO_KINDS
// and PICTURE_UNREADABLE. Any other error is that of the context.
func (c *Cleaner) Clean(ctx context.Context, file []byte) (Picture, error) {
	switch {
	case len(file) == 0:
		return Picture{}, rule.New(rule.Invalid, "FILE_EMPTY", "chunk")
	case len(file) > MostBytes:
		return Picture{}, rule.New(rule.Invalid, "FILE_TOO_LARGE", "chunk", "limit_bytes", fmt.Sprint(MostBytes))
	}
	f, err := read(file)
	if err != nil {
		return Picture{}, err
	}
	if err := f.check(); err != nil {
		return Picture{}, err
	}
	need := max(f.need(), memory/mostAtOnce)
	if err := c.memory.Acquire(ctx, need); err != nil {
		return Picture{}, fmt.Errorf("wait to decode a picture: %w", err)
	}
	defer c.memory.Release(need)
	img, err := f.decode()
	if err != nil {
		return Picture{}, unreadable()
	}
	return keep(img, f.orientation())
}

// form is a kind of file that is taken.
type form int

const (
	formJPEG form = iota + 1
	formPNG
	formWebP
)

// found is what the bytes of a file say before anything is decoded.
type found struct {
	form          form
	file          []byte
	width, height int
	// Bytes of a pixel while it is decoded and when it is, times four, so that a
	// quarter can be said.
	quarterBytes, quarterKept int
	scans                     int
	// beside are the parts that hold no pixels: metadata, and what comes behind.
	beside [][]byte
}

// check refuses what is too large, and what is something else as well.
func (f found) check() error {
	switch {
	case f.width <= 0 || f.height <= 0:
		return unreadable()
	case f.width > MostSide || f.height > MostSide || f.width*f.height > MostPixels || f.need() > memory || f.scans > mostScans:
		return rule.New(rule.Invalid, "PICTURE_TOO_LARGE", "chunk",
			"megapixels", fmt.Sprint(MostPixels/1_000_000), "side", fmt.Sprint(MostSide))
	case twoKinds(f.file, f.beside):
		return rule.New(rule.Invalid, "FILE_TWO_KINDS", "chunk")
	}
	return nil
}

// need is the most memory that decoding, or turning and scaling, hold, in bytes.
func (f found) need() int64 {
	pixels := int64(f.width) * int64(f.height)
	kept := min(pixels, WholeSide*WholeSide)
	return max(pixels*int64(f.quarterBytes)/4, pixels*int64(f.quarterKept)/4+2*4*kept)
}

func (f found) decode() (image.Image, error) {
	in := bytes.NewReader(f.file)
	switch f.form {
	case formJPEG:
		return jpeg.Decode(in)
	case formPNG:
		return png.Decode(in)
	}
	return webp.Decode(in)
}

func unreadable() error { return rule.New(rule.Invalid, "PICTURE_UNREADABLE", "chunk") }

// keep scales, turns and encodes.
func keep(img image.Image, turned int) (Picture, error) {
	encode, mediaType := encodeJPEG, JPEG
	if o, ok := img.(interface{ Opaque() bool }); ok && !o.Opaque() {
		encode, mediaType = encodePNG, PNG
	}
	whole := turn(fit(img, WholeSide, draw.ApproxBiLinear), turned)
	medium := fit(whole, MediumSide, draw.ApproxBiLinear)
	small := fit(medium, SmallSide, draw.CatmullRom)
	p := Picture{MediaType: mediaType, Width: whole.Bounds().Dx(), Height: whole.Bounds().Dy()}
	var err error
	if p.Whole, err = encode(whole); err != nil {
		return Picture{}, err
	}
	if len(p.Whole) > MostBytes { // a photo with transparency: no coding makes it small
		p.Whole, p.Width, p.Height = nil, medium.Bounds().Dx(), medium.Bounds().Dy()
	}
	if p.Medium = p.Whole; p.Whole == nil || medium != whole {
		if p.Medium, err = encode(medium); err != nil {
			return Picture{}, err
		}
	}
	if p.Whole == nil {
		p.Whole = p.Medium
	}
	if p.Small = p.Medium; small != medium {
		if p.Small, err = encode(small); err != nil {
			return Picture{}, err
		}
	}
	return p, nil
}

// fit answers a picture whose sides are at most side: the same one if they are.
func fit(img image.Image, side int, by draw.Scaler) image.Image {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= side && h <= side {
		return img
	}
	if w >= h {
		w, h = side, max(1, h*side/w)
	} else {
		w, h = max(1, w*side/h), side
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	by.Scale(out, out.Bounds(), img, b, draw.Src, nil)
	return out
}

func encodeJPEG(img image.Image) ([]byte, error) {
	switch img.(type) {
	case *image.RGBA, *image.YCbCr, *image.Gray:
	default: // the encoder asks others pixel by pixel
		img = rgba(img)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode a picture: %w", err)
	}
	return out.Bytes(), nil
}

func encodePNG(img image.Image) ([]byte, error) {
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("encode a picture: %w", err)
	}
	return out.Bytes(), nil
}

// rgba answers a picture in the form that can be turned.
func rgba(img image.Image) *image.RGBA {
	if out, ok := img.(*image.RGBA); ok {
		return out
	}
	out := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out
}
