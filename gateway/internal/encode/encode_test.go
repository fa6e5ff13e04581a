package encode_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/gateway/internal/encode"
)

// same compares with protojson, which puts blanks where it likes.
func same(t *testing.T, e *encode.Encoder, m proto.Message) {
	t.Helper()
	want, wantErr := protojson.Marshal(m)
	got, err := e.Append(nil, m.ProtoReflect())
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%T: %v, protojson %v", m, err, wantErr)
	}
	if err != nil {
		return
	}
	if got, want = compact(t, got), compact(t, want); !bytes.Equal(got, want) {
		t.Fatalf("%T:\n%s\nprotojson:\n%s", m, got, want)
	}
}

func compact(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// fill puts values into every field of a message, down to a depth.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if r.IntN(4) == 0 || f.Message() != nil && depth == 0 {
			continue
		}
		switch {
		case f.IsMap():
			for range r.IntN(3) {
				v := m.NewField(f).Map().NewValue()
				if f.MapValue().Message() != nil {
					fill(r, v.Message(), depth-1)
				} else {
					v = value(r, f.MapValue())
				}
				m.Mutable(f).Map().Set(value(r, f.MapKey()).MapKey(), v)
			}
		case f.IsList():
			for range r.IntN(3) {
				if f.Message() != nil {
					fill(r, m.Mutable(f).List().AppendMutable().Message(), depth-1)
				} else {
					m.Mutable(f).List().Append(value(r, f))
				}
			}
		case f.Message() != nil:
			fill(r, m.Mutable(f).Message(), depth-1)
		default:
			m.Set(f, value(r, f))
		}
	}
}

func value(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	texts := []string{"", "路灯", "a\"b\\c\n\t\r\b\f\x00\x1f\x7f", "\u2028<&>", strings.Repeat("长", 9) + "\"", "\U0001F600", "ก长\"", "x\xffy"}
	numbers := []float64{0, 1, -1.5, 1e21, 1e-7, 1e-9, math.MaxFloat32, math.Inf(1), math.Inf(-1), math.NaN(), 123456.789}
	n := r.Int64() >> r.IntN(64)
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n%2 == 0)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(texts[r.IntN(len(texts)-r.IntN(2))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(texts[r.IntN(len(texts))]))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(20)))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(numbers[r.IntN(len(numbers))]))
	default:
		return protoreflect.ValueOfFloat64(numbers[r.IntN(len(numbers))])
	}
}

// Every message of the API, filled with whatever there is, is written as
// protojson writes it.
func TestAppend_IsProtojson(t *testing.T) {
	var e encode.Encoder
	r := rand.New(rand.NewPCG(1, 2))
	kinds := 0
	protoregistry.GlobalTypes.RangeMessages(func(kind protoreflect.MessageType) bool {
		if !strings.HasPrefix(string(kind.Descriptor().FullName()), "linli.") {
			return true
		}
		kinds++
		for range 20 {
			m := kind.New()
			fill(r, m, 3)
			same(t, &e, m.Interface())
			// The same fields in a message that is no Go struct of its own.
			other := dynamicpb.NewMessage(kind.Descriptor())
			fill(r, other, 2)
			same(t, &e, other)
		}
		return true
	})
	if kinds < 300 {
		t.Errorf("%d kinds of messages", kinds)
	}
}

// What protojson writes in a way of its own, inside and outside of a message.
func TestAppend_KnownTypes(t *testing.T) {
	var e encode.Encoder
	object, err := structpb.NewStruct(map[string]any{"a": []any{1, nil, "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []proto.Message{
		object, structpb.NewNullValue(), wrapperspb.Double(1.5), wrapperspb.String("x"), &timestamppb.Timestamp{},
		&timestamppb.Timestamp{Seconds: 1, Nanos: 5}, &timestamppb.Timestamp{Seconds: 1, Nanos: 5_000_000}, &timestamppb.Timestamp{Nanos: 5000},
		&timestamppb.Timestamp{Seconds: 1 << 60}, &timestamppb.Timestamp{Nanos: -1}, &timestamppb.Timestamp{Seconds: -62135596800},
	} {
		same(t, &e, m)
	}
}

// FuzzAppend: any text is written as protojson writes it, or refused as it is.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "路灯不亮", "a\"\\\x01", "\xff", "1234567\"", "\u2028", "ก路灯", "路灯\xed\xa0\x80", "\xe0\x80\x80路灯", "路灯\xe8\xb7", "路\x1f灯灯灯"} {
		f.Add(s)
	}
	var e encode.Encoder
	f.Fuzz(func(t *testing.T, text string) {
		same(t, &e, &requestsv1.Request{Id: "x", Text: text})
	})
}

func BenchmarkAppend(b *testing.B) {
	m := &requestsv1.Request{Id: "req_1", CommunityId: "C1", Kind: 2, Category: "parking", Visibility: 1, State: 1,
		Text: strings.Repeat("社区居民反映小广场路灯夜间不亮老人行走困难", 25), PostedAt: timestamppb.Now(), DueAt: timestamppb.Now(), Etag: "1"}
	var e encode.Encoder
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Append(make([]byte, 0, 4096), m.ProtoReflect()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("protojson", func(b *testing.B) {
		for b.Loop() {
			if _, err := (protojson.MarshalOptions{}).MarshalAppend(make([]byte, 0, 4096), m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
