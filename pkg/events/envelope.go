package events

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Headers of CloudEvents 1.0 in binary mode, with two extensions of the house.
const (
	headerID          = "ce-id"
	headerSpecVersion = "ce-specversion"
	headerType        = "ce-type"
	headerSource      = "ce-source"
	headerSubject     = "ce-subject"
	headerTime        = "ce-time"
	headerDataSchema  = "ce-dataschema"
	headerCivilTime   = "ce-civiltime"
	headerRevision    = "revision"
	headerTraceParent = "traceparent"
)

func messageOf(service string, e *typev1.EventRow) *nats.Msg {
	m := nats.NewMsg(e.GetSubject())
	m.Data = e.GetData()
	for k, v := range map[string]string{
		nats.MsgIdHdr:     e.GetId(),
		headerID:          e.GetId(),
		headerSpecVersion: "1.0",
		headerType:        e.GetType(),
		headerSource:      "linli/" + service,
		headerSubject:     e.GetEntityId(),
		headerTime:        e.GetTime().AsTime().Format(time.RFC3339Nano),
		headerCivilTime:   e.GetCivilTime().AsTime().Format(time.RFC3339Nano),
		headerDataSchema:  e.GetDataSchema(),
		headerRevision:    strconv.FormatUint(e.GetRevision(), 10),
	} {
		m.Header.Set(k, v)
	}
	if e.GetTraceParent() != "" {
		m.Header.Set(headerTraceParent, e.GetTraceParent())
	}
	return m
}

// eventOf reads a message back. An error means that it is none of ours.
func eventOf(subject string, h nats.Header, data []byte) (*typev1.EventRow, error) {
	revision, err := strconv.ParseUint(h.Get(headerRevision), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", headerRevision, err)
	}
	at, err := time.Parse(time.RFC3339Nano, h.Get(headerTime))
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", headerTime, err)
	}
	civil, err := time.Parse(time.RFC3339Nano, h.Get(headerCivilTime))
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", headerCivilTime, err)
	}
	if h.Get(headerID) == "" {
		return nil, fmt.Errorf("header %s is missing", headerID)
	}
	return &typev1.EventRow{
		Id: h.Get(headerID), Type: h.Get(headerType), Subject: subject, EntityId: h.Get(headerSubject),
		Revision: revision, Time: timestamppb.New(at), CivilTime: timestamppb.New(civil),
		DataSchema: h.Get(headerDataSchema), Data: data, TraceParent: h.Get(headerTraceParent),
	}, nil
}

// Decode reads an event's data. Data of another kind is a permanent error.
func Decode[T proto.Message](e *typev1.EventRow, into T) error {
	if want := string(into.ProtoReflect().Descriptor().FullName()); e.GetDataSchema() != want {
		return permanent(fmt.Errorf("event %s holds %s, not %s", e.GetType(), e.GetDataSchema(), want))
	}
	if err := proto.Unmarshal(e.GetData(), into); err != nil {
		return permanent(fmt.Errorf("decode event %s: %w", e.GetType(), err))
	}
	return nil
}
