// Command drill practises the worst day: it takes a backup of a data folder,
// restores it into an empty one, checks it, starts linli on it, and says how
// long each took.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/linli-project/linli/cmd/figures"
	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	data := flag.String("data", "", "data folder that nothing uses, with its master key in it")
	saved := flag.String("figures", "", "folder to save the figures in (docs/figures)")
	flag.Parse()
	if err := drill(ctx, *data, *saved, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// watch is a stopwatch that keeps what it measured.
type watch struct {
	wall clock.Clock
	last time.Time
	rows []figures.Row
}

func (w *watch) lap(what string) {
	now := w.wall.Now()
	w.rows = append(w.rows, figures.Row{What: what, Value: now.Sub(w.last).Seconds(), Unit: "s"})
	w.last = w.wall.Now()
}

// keys makes the pair of keys of a backup and answers their files.
func keys(folder string) (public, secret string, err error) {
	pair, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make keys: %w", err)
	}
	public, secret = filepath.Join(folder, "public.keys"), filepath.Join(folder, "secret.key")
	return public, secret, errors.Join(
		os.WriteFile(public, []byte(pair.Recipient().String()), 0o600), os.WriteFile(secret, []byte(pair.String()), 0o600))
}

func drill(ctx context.Context, data, saved string, out io.Writer) (err error) {
	if data == "" {
		return errors.New("-data says which folder")
	}
	place, err := os.MkdirTemp("", "linli-drill-*")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(place)) }()
	public, secret, err := keys(place)
	if err != nil {
		return err
	}
	w := &watch{wall: clock.Wall(), last: clock.Wall().Now()}
	config := house.Config{Data: data, Dev: true, Log: slog.New(slog.DiscardHandler)}
	taken, err := house.Backup(ctx, house.BackupConfig{To: filepath.Join(place, "backup.linli"), Recipients: public, Program: "drill", House: config})
	if err != nil {
		return err
	}
	w.lap("take a backup")
	config.MasterKeyFile, config.Data = filepath.Join(data, "master.key"), filepath.Join(place, "restored")
	restored, err := house.Restore(ctx, house.RestoreConfig{From: taken.File, Identity: secret, House: config})
	if err != nil {
		return err
	}
	w.lap("restore it into an empty folder, with every check")
	for _, s := range restored.Services {
		if len(s.Report.Problems) > 0 {
			return fmt.Errorf("%s: %d problems, the first: %s", s.Service, len(s.Report.Problems), s.Report.Problems[0])
		}
	}
	if err := answer(ctx, config); err != nil {
		return err
	}
	w.lap("start linli on it, to its first answer, and stop it")
	return report(w, taken, saved, out)
}

// answer starts linli on the folder and asks it.
func answer(ctx context.Context, c house.Config) (err error) {
	c.HTTP, c.GRPC = "127.0.0.1:0", "127.0.0.1:0"
	h, err := house.Start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.HTTPAddr()+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", reply.Status)
	}
	return errors.Join(err, reply.Body.Close())
}

func report(w *watch, taken house.BackupReport, saved string, out io.Writer) error {
	rows := uint64(0)
	for _, s := range taken.Manifest.GetStores() {
		rows += s.GetRows()
	}
	w.rows = append(w.rows,
		figures.Row{What: "rows in it, indexes and audit among them", Value: float64(rows), Unit: "rows"},
		figures.Row{What: "the backup's size", Value: float64(taken.Bytes) / 1e6, Unit: "MB"})
	for _, r := range w.rows {
		fmt.Fprintf(out, "%-52s %12.1f %s\n", r.What, r.Value, r.Unit)
	}
	if saved == "" {
		return nil
	}
	return figures.Save(saved, figures.Run{
		Name: "restore-drill", Page: "reliability", Section: "Backup", Command: "make drill DATA=<folder of make demo-city>",
		Note: "The folder is that of a city of 100,000 members after its year. A restore compares every byte with the manifest and the audit with its root, and checks every row as fsck does; then the folder gets its name. RTO is the sum of the last two steps and of copying the file; RPO is the hour of the timer.",
		Rows: w.rows,
	})
}
