package house

import (
	"context"
	"errors"
	"fmt"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// ServiceReport is what a check found in one service's file.
type ServiceReport struct {
	Service string
	Report  table.Report
}

// Check opens the files of a folder that no server is using and verifies them:
// pages, checksums, rows against indexes both ways, outbox, audit, remembered
// replies. Problems are in the reports; an error means that it could not look.
// The folder of a broker or a gateway holds no rows, and has no report.
func Check(ctx context.Context, c Config) (reports []ServiceReport, err error) {
	f := folder{path: c.Data}
	role, err := f.role()
	if err != nil {
		return nil, err
	}
	if len(role.services()) == 0 {
		return nil, nil
	}
	if f.isNew() {
		return nil, fmt.Errorf("%s holds no data of linli", c.Data)
	}
	master, err := f.master(c.MasterKeyFile, c.Dev, c.Log)
	if err != nil {
		return nil, err
	}
	var stores []*store.Store
	defer func() {
		for _, s := range stores {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, name := range role.services() {
		s, err := f.openStore(ctx, name, master, clock.Wall(), clock.Wall(), c)
		if err != nil {
			return nil, err
		}
		stores = append(stores, s)
	}
	all, err := newServices(stores, &lateConn{}, c)
	if err != nil {
		return nil, err
	}
	for i, s := range stores {
		report, err := s.Check(ctx, all[i].Tables()...)
		if errors.Is(err, kv.ErrCorrupt) {
			report.Problems, err = append(report.Problems, err.Error()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", s.Service(), err)
		}
		reports = append(reports, ServiceReport{Service: s.Service(), Report: report})
	}
	return reports, nil
}
