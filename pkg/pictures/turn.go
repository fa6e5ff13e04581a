package pictures

import (
	"bytes"
	"image"

	"github.com/bep/imagemeta"
)

// mostTags is how many tags of the metadata are walked: the orientation stands
// among the first.
const mostTags = 200

// orientation answers how the camera was held, as EXIF has it: 1 to 8, and 1
// where nothing is said or what is said cannot be read. That the metadata is
// broken is no reason to refuse a picture: none of it is kept.
func (f found) orientation() int {
	format := imagemeta.JPEG
	switch f.form {
	case formPNG:
		format = imagemeta.PNG
	case formWebP:
		format = imagemeta.WebP
	}
	out := 1
	_, err := imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(f.file), ImageFormat: format, Sources: imagemeta.EXIF, LimitNumTags: mostTags,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool { return t.Namespace == "IFD0" && t.Tag == "Orientation" },
		HandleTag: func(t imagemeta.TagInfo) error {
			if v, ok := t.Value.(uint16); ok && v >= 1 && v <= 8 {
				out = int(v)
			}
			return imagemeta.ErrStopWalking
		},
		Warnf: func(string, ...any) {}, // what it would quote is what somebody sent
	})
	if err != nil {
		return 1
	}
	return out
}

// turn answers a picture turned and mirrored as its orientation asks.
func turn(img image.Image, orientation int) image.Image {
	if orientation == 1 {
		return img
	}
	in := rgba(img)
	w, h := in.Bounds().Dx(), in.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 { // lies on its side
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := place(orientation, x, y, w, h)
			copy(out.Pix[out.PixOffset(tx, ty):][:4], in.Pix[in.PixOffset(x, y):][:4])
		}
	}
	return out
}

// place answers where the pixel at x, y of a picture of w × h comes to stand.
func place(orientation, x, y, w, h int) (int, int) {
	switch orientation {
	case 2: // mirrored
		return w - 1 - x, y
	case 3: // upside down
		return w - 1 - x, h - 1 - y
	case 4: // mirrored, upside down
		return x, h - 1 - y
	case 5: // mirrored, on its side
		return y, x
	case 6: // a quarter to the right
		return h - 1 - y, x
	case 7: // mirrored, on its other side
		return h - 1 - y, w - 1 - x
	case 8: // a quarter to the left
		return y, w - 1 - x
	}
	return x, y
}
