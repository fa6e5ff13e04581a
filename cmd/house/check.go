package house

import (
	"context"
	"errors"
	"fmt"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// ServiceReport is what a check found in one service's file.
type ServiceReport struct {
	Service string
	Report  table.Report
	// AuditLines there are, and their Merkle root.
	AuditLines uint64
	AuditRoot  []byte
}

// Check opens the files of a folder that no server is using and verifies them:
// pages, checksums, rows against indexes both ways, outbox, audit, remembered
// replies, and the audit log against its heads. Problems are in the reports; an error means that it could not look.
// Of a folder in which those of six processes lie, all are looked at. The folder
// of a broker or a gateway holds no rows, and is refused.
func Check(ctx context.Context, c Config) (reports []ServiceReport, err error) {
	stores, done, err := openForCheck(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	all, err := newServices(stores, &lateConn{}, c)
	if err != nil {
		return nil, err
	}
	if err := readable(ctx, stores, all); err != nil {
		return nil, err
	}
	return checkStores(ctx, stores, all)
}

// complete refuses a folder that lacks a service's file: opening would make an
// empty one in its place, where what was there is evidence.
func (f folder) complete() error {
	if f.isNew() {
		return nil // of parts, or said to be empty
	}
	for _, name := range serviceNames() {
		if !f.has(name + ".db") {
			return fmt.Errorf("data folder %s: %s.db is missing; nothing was looked at", f.path, name)
		}
	}
	return nil
}

// openForCheck opens the stores of a folder that no server is using.
func openForCheck(ctx context.Context, c Config) (stores []*store.Store, done func() error, err error) {
	f := folder{path: c.Data}
	role, err := f.role()
	if err != nil {
		return nil, nil, err
	}
	var open []opened
	switch {
	case role == Whole:
		if err := f.complete(); err != nil {
			return nil, nil, err
		}
		open, done, err = f.openServices(ctx, c)
	case len(role.services()) == 0:
		return nil, nil, fmt.Errorf("%s is the folder of a %s: no service keeps rows there, and nothing was checked", f.path, role)
	default:
		open = []opened{{folder: f}}
		open[0].stores, done, err = f.openAll(ctx, c, role)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, o := range open {
		stores = append(stores, o.stores...)
	}
	return stores, done, nil
}

// checkStores takes stores and services in the same order.
func checkStores(ctx context.Context, stores []*store.Store, all services) (reports []ServiceReport, err error) {
	logs, err := verifyAudit(ctx, stores, nil)
	if err != nil {
		return nil, err
	}
	for i, s := range stores {
		r := ServiceReport{Service: s.Service()}
		r.Report, err = s.Check(ctx, all[i].Tables()...)
		if err == nil {
			r.AuditLines, r.AuditRoot, err = s.AuditRoot(ctx)
		}
		if errors.Is(err, kv.ErrCorrupt) {
			r.Report.Problems, err = append(r.Report.Problems, err.Error()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", s.Service(), err)
		}
		r.Report.Problems = append(r.Report.Problems, logs[i].Problems...)
		reports = append(reports, r)
	}
	return reports, nil
}
