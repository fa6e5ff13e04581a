package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/store"
)

// outbox is what the files of a folder say about events.
type outbox struct {
	pending int
	parked  []*typev1.ParkedRow
	sent    map[string][]*typev1.EventRow // by service
}

const mostEvents = 1 << 20

// inspect looks into the files of a folder that no linli is using.
func inspect(ctx context.Context, folder string) (outbox, error) {
	out := outbox{sent: map[string][]*typev1.EventRow{}}
	files, err := serviceFiles(folder)
	if err != nil {
		return out, err
	}
	for _, file := range files {
		service := strings.TrimSuffix(filepath.Base(file), ".db")
		if err := out.add(ctx, service, file); err != nil {
			return out, fmt.Errorf("look into %s: %w", file, err)
		}
	}
	return out, nil
}

func (o *outbox) add(ctx context.Context, service, file string) (err error) {
	engine, err := boltkv.Open(file, boltkv.Options{})
	if err != nil {
		return err
	}
	db := kv.New(engine, kv.Options{})
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(ctx, func(r kv.Reader) error {
		pending, err := store.Pending(r, mostEvents)
		if err != nil {
			return err
		}
		parked, err := store.Parked(r, mostEvents)
		if err != nil {
			return err
		}
		o.pending += len(pending)
		o.parked = append(o.parked, parked...)
		waiting := map[string]bool{}
		for _, e := range pending {
			waiting[e.GetId()] = true
		}
		return eachEvent(r, func(e *typev1.EventRow) {
			if !waiting[e.GetId()] {
				o.sent[service] = append(o.sent[service], e)
			}
		})
	})
}
