package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// affectedCommand tells who is to be told after something got out: the persons
// whose sealed facts were read by somebody, from somewhere, in a time.
func affectedCommand(f *auditFlags) *cobra.Command {
	c := linesCommand(f)
	c.Use, c.Short = "affected", "list the persons whose sealed facts were read, out of all lines that fit; asks servers"
	c.RunE = f.run(auditAffected)
	return c
}

// affected is one person whose facts were read.
type affected struct {
	person      string
	times, own  int // own: by the person itself
	first, last time.Time
	services    map[string]bool
}

// noteAffected adds a line to the persons that it names.
func noteAffected(all map[string]*affected, service string, l *pb.AuditLine) {
	at := l.GetTime().AsTime()
	for _, person := range l.GetSubjects() {
		a := all[person]
		if a == nil {
			a = &affected{person: person, first: at, last: at, services: map[string]bool{}}
			all[person] = a
		}
		a.times++
		if l.GetPerson() == person {
			a.own++
		}
		a.services[service] = true
		if at.Before(a.first) {
			a.first = at
		}
		if at.After(a.last) {
			a.last = at
		}
	}
}

// byFirst answers the persons in the order in which their facts were read first.
func byFirst(all map[string]*affected) []*affected {
	return slices.SortedFunc(maps.Values(all), func(a, b *affected) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.person, b.person))
	})
}

func auditAffected(ctx context.Context, f *auditFlags, out io.Writer) (err error) {
	servers, err := newAuditServers(f.grpc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()
	all := map[string]*affected{}
	err = servers.lines(ctx, f, func(service string, l *pb.AuditLine) bool {
		noteAffected(all, service, l)
		return true
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tREADINGS\tOWN\tFIRST\tLAST\tSERVICES")
	for _, a := range byFirst(all) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%v\n", a.person, a.times, a.own, a.first.Local().Format(time.DateTime), a.last.Local().Format(time.DateTime),
			slices.Sorted(maps.Keys(a.services)))
	}
	return w.Flush()
}
