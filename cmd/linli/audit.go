package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/store"
)

// auditPatience bounds a command that asks servers.
const auditPatience = 30 * time.Minute

// auditFlags say where the audit is and what is wanted of it.
type auditFlags struct {
	data, heads, appendTo string
	grpc                  []string
	filter                pb.ListAuditLinesRequest
	since                 time.Duration
	most                  int
}

func auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "audit", Short: "the audit: verify it, keep its heads, look into it",
		Long: "audit reads the audit of a folder that no server is using (--data), or asks running\n" +
			"servers (--grpc), which needs the token of an audit administrator in LINLI_TOKEN.\n" +
			"docs/audit.md says what is in it and what verifies it.",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := &auditFlags{}
	dataFlag(c, &f.data, "")
	c.PersistentFlags().AddFlag(c.Flags().Lookup("data"))
	c.PersistentFlags().StringArrayVar(&f.grpc, "grpc", nil, "address of a server's gRPC, as often as there are servers that keep rows")
	verify := &cobra.Command{
		Use: "verify", Short: "find every line that was removed, changed, inserted or moved", Args: cobra.NoArgs, RunE: f.run(verifyAudit),
	}
	verify.Flags().StringVar(&f.heads, "heads", "", "file of heads that `linli audit heads --append` wrote")
	heads := &cobra.Command{Use: "heads", Short: "print the newest signed heads", Args: cobra.NoArgs, RunE: f.run(auditHeads)}
	heads.Flags().StringVar(&f.appendTo, "append", "", "file to append them to; keep it elsewhere")
	c.AddCommand(verify, heads, linesCommand(f), affectedCommand(f))
	return c
}

func linesCommand(f *auditFlags) *cobra.Command {
	c := &cobra.Command{Use: "lines", Short: "list lines, the newest first; asks servers", Args: cobra.NoArgs, RunE: f.run(auditLines)}
	for _, text := range []struct {
		into        *string
		flag, usage string
	}{
		{&f.filter.Service, "service", "registry, requests, projects or evaluation; empty for all"},
		{&f.filter.Person, "person", "id of who did it"},
		{&f.filter.Row, "row", "id of a row that it touched"},
		{&f.filter.Method, "method", "name of the method: GetMember"},
		{&f.filter.Outcome, "outcome", "one of: " + strings.Join(store.Outcomes(), ", ")},
		{&f.filter.Address, "address", "network address that it came from"},
	} {
		c.Flags().StringVar(text.into, text.flag, "", text.usage)
	}
	c.Flags().DurationVar(&f.since, "since", 0, "only lines of so long back, as 48h")
	c.Flags().IntVar(&f.most, "most", 200, "how many lines at the most")
	return c
}

func (f *auditFlags) run(do func(context.Context, *auditFlags, io.Writer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), auditPatience)
		defer cancel()
		if f.data == "" && len(f.grpc) == 0 {
			return errors.New("name a folder with --data, or servers with --grpc")
		}
		return do(ctx, f, c.OutOrStdout())
	}
}

// auditDays reads how long the audit is kept.
func auditDays() (int, error) {
	text := os.Getenv("LINLI_AUDIT_DAYS")
	if text == "" {
		return 0, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < store.LeastAuditDays {
		return 0, fmt.Errorf("LINLI_AUDIT_DAYS=%s: a number of days, at least %d; without it everything is kept", text, store.LeastAuditDays)
	}
	return days, nil
}

// reports verifies, in the folder or by asking, with the heads of the file.
func (f *auditFlags) reports(ctx context.Context, kept []keptHead) ([]store.AuditReport, error) {
	held := make([]store.HeldHead, len(kept))
	for i, k := range kept {
		held[i] = store.HeldHead{Service: k.Service, Note: k.Note, Holder: f.heads}
	}
	if len(f.grpc) == 0 {
		return house.VerifyAudit(ctx, toolConfig(f.data), held...)
	}
	servers, err := newAuditServers(f.grpc)
	if err != nil {
		return nil, err
	}
	out, err := servers.verify(ctx, held, keysOf(kept))
	return out, errors.Join(err, servers.Close())
}

// verifyAudit prints how each log stands, and every problem.
func verifyAudit(ctx context.Context, f *auditFlags, out io.Writer) error {
	kept, err := readHeads(f.heads)
	if err != nil {
		return err
	}
	reports, err := f.reports(ctx, kept)
	if err != nil {
		return err
	}
	problems := 0
	for _, r := range reports {
		fmt.Fprintf(out, "%s  %d lines", r.Service, r.Size-r.First)
		if r.First > 0 {
			fmt.Fprintf(out, " from number %d on", r.First)
		}
		if r.Head != "" {
			fmt.Fprintf(out, ", head of %s, key %s", r.Time.Local().Format(time.DateTime), r.Verifier)
		}
		fmt.Fprintln(out)
		for _, p := range r.Problems {
			fmt.Fprintf(out, "  problem: %s\n", p)
		}
		problems += len(r.Problems)
	}
	if problems > 0 {
		return fmt.Errorf("%d problems found in the audit", problems)
	}
	fmt.Fprintln(out, "no line was removed, changed, inserted or moved")
	return nil
}

// auditHeads prints the newest head of each log, and appends them to a file.
func auditHeads(ctx context.Context, f *auditFlags, out io.Writer) error {
	reports, err := f.reports(ctx, nil)
	if err != nil {
		return err
	}
	var all []keptHead
	for _, r := range reports {
		if len(r.Problems) > 0 {
			return fmt.Errorf("a head over a log that does not verify proves nothing: %s", r.Problems[0])
		}
		if r.Head == "" {
			continue
		}
		fmt.Fprintf(out, "key %s\n%s\n", r.Verifier, r.Head)
		all = append(all, keptHead{Service: r.Service, Time: r.Time, Size: r.Size, Verifier: r.Verifier, Note: r.Head})
	}
	if f.appendTo == "" {
		return nil
	}
	return appendHeads(f.appendTo, all)
}

// firstRows is how a column shows the rows of a line: an import has hundreds.
func firstRows(rows []string) string {
	const shown = 3
	if len(rows) <= shown {
		return strings.Join(rows, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(rows[:shown], " "), len(rows)-shown)
}

// auditLines lists what the servers have, service by service.
func auditLines(ctx context.Context, f *auditFlags, out io.Writer) (err error) {
	servers, err := newAuditServers(f.grpc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tSERVICE\tNUMBER\tPERSON\tAS\tFROM\tMETHOD\tOUTCOME\tROWS\tREASON")
	left := f.most
	err = servers.lines(ctx, f, func(service string, l *pb.AuditLine) bool {
		why := l.GetReason()
		if l.GetRefusal() != "" {
			why = l.GetRefusal()
		}
		if l.GetCount() > 0 {
			why += " × " + strconv.FormatUint(l.GetCount(), 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s %s\t%s\t%s\t%s\t%v\t%s\n", l.GetTime().AsTime().Local().Format(time.DateTime), service, l.GetIndex(),
			l.GetPerson(), l.GetRole(), l.GetOrganizationPath(), l.GetAddress(), l.GetMethod(), l.GetOutcome(), firstRows(l.GetRows()), why)
		left--
		return left > 0
	})
	return errors.Join(err, w.Flush())
}
