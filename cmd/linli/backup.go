package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"filippo.io/age"
	"github.com/spf13/cobra"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/cmd/house"
)

type backupFlags struct {
	to, recipients, data string
	grpc                 []string
}

func backupCommand() *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use: "backup", Short: "copy everything at one point into an encrypted file, while linli works", Args: cobra.NoArgs,
		Long: "backup asks every process of linli to let writes wait for a moment, and copies what all of them hold\n" +
			"at that point. The file opens with the secret key only, which is not on this machine, and the data in it\n" +
			"with the master key, which is not in it. See docs/backup.md.",
		Example: "  linli backup key --to secret.key                  # once, elsewhere; prints the public key\n" +
			"  LINLI_TOKEN=… linli backup --to /backups --recipients public.keys",
		RunE: func(c *cobra.Command, _ []string) error { return runBackup(c, f) },
	}
	c.Flags().StringVar(&f.to, "to", "", "file to make, or folder to make it in, named by the time")
	c.Flags().StringVar(&f.recipients, "recipients", "", "file of the public keys of those who may restore")
	c.Flags().StringArrayVar(&f.grpc, "grpc", []string{"127.0.0.1:9090"}, "address of a process; once for each process")
	c.Flags().StringVar(&f.data, "data", "", "data folder that no server uses, in the place of --grpc")
	c.MarkFlagsMutuallyExclusive("grpc", "data")
	c.AddCommand(backupKeyCommand())
	return c
}

func runBackup(c *cobra.Command, f backupFlags) error {
	if f.to == "" || f.recipients == "" {
		return errors.New("--to says where the backup goes, --recipients who may open it")
	}
	config := house.BackupConfig{
		To: f.to, Recipients: f.recipients, GRPC: f.grpc, Token: os.Getenv("LINLI_TOKEN"), Program: program(), House: toolConfig(f.data),
	}
	switch {
	case f.data != "":
		config.GRPC, config.Token = nil, ""
	case config.Token == "":
		return errors.New("no token: LINLI_TOKEN holds the access token of a system administrator who is signed in")
	}
	r, err := house.Backup(c.Context(), config)
	if err != nil {
		return err
	}
	printManifest(c.OutOrStdout(), r.Manifest)
	fmt.Fprintf(c.OutOrStdout(), "%s  %d bytes\n", r.File, r.Bytes)
	return nil
}

// toolConfig is what a command needs to open a folder.
func toolConfig(data string) house.Config {
	return house.Config{
		Data: data, Dev: true, MasterKeyFile: os.Getenv("LINLI_MASTER_KEY_FILE"), TLS: operatorFiles(), Blobs: os.Getenv("LINLI_BLOBS"),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// program says which linli this is.
func program() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return "linli " + info.Main.Version
	}
	return "linli"
}

func printManifest(out io.Writer, m *pb.BackupManifest) {
	h := m.GetHead()
	fmt.Fprintf(out, "backup %s of %s, master key %s\n", h.GetBackupId(), h.GetTime().AsTime().Format("2006-01-02 15:04:05Z"), h.GetMasterKey())
	for _, s := range m.GetStores() {
		fmt.Fprintf(out, "  %-10s %8d rows %11d bytes  audit %7d lines, root %x\n",
			s.GetService(), s.GetRows(), s.GetBytes(), s.GetAuditRows(), s.GetAuditRoot())
	}
	if m.GetBlobs() > 0 {
		fmt.Fprintf(out, "  %-10s %8d      %11d bytes\n", "files", m.GetBlobs(), m.GetBlobBytes())
	}
}

func backupKeyCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "key", Short: "make the pair of keys of backups: the secret one into a file, the public one printed", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return errors.New("--to says where the secret key goes")
			}
			pair, err := age.GenerateX25519Identity()
			if err != nil {
				return fmt.Errorf("make keys: %w", err)
			}
			if err := writeSecret(to, pair.String()+"\n"); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), pair.Recipient())
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "file of the secret key; it must not be there")
	return c
}

// writeSecret makes a new file that nobody but its owner can read, and sees it
// on disk: what is encrypted to a key that was lost is lost.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("secret key: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("secret key: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("secret key: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func restoreCommand() *cobra.Command {
	var from, identity, master, data string
	var six bool
	c := &cobra.Command{
		Use: "restore", Short: "write a backup into a new data folder and check it", Args: cobra.NoArgs,
		Example: "  linli restore --from 20131231T150000Z.linli --identity secret.key --master-key master.key --data /var/lib/linli/data",
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" || identity == "" || data == "" {
				return errors.New("--from names the backup, --identity the secret key, --data the new folder")
			}
			config := house.RestoreConfig{From: from, Identity: identity, House: toolConfig(data), Six: six}
			if master != "" {
				config.House.MasterKeyFile = master
			}
			r, err := house.Restore(c.Context(), config)
			if err != nil {
				return err
			}
			printManifest(c.OutOrStdout(), r.Manifest)
			if err := printReports(c.OutOrStdout(), r.Services, false); err != nil {
				return fmt.Errorf("%s holds what was backed up, and in that: %w", data, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "restored into %s: every byte, the audit and every row checked\n", data)
			return nil
		},
	}
	c.Flags().StringVar(&from, "from", "", "the backup")
	c.Flags().StringVar(&identity, "identity", "", "file of the secret key that opens the backup")
	c.Flags().StringVar(&master, "master-key", "", "file of the master key (LINLI_MASTER_KEY_FILE)")
	c.Flags().StringVar(&data, "data", "", "data folder to make; it must not be there, or be empty")
	c.Flags().BoolVar(&six, "six", false, "lay it out for six processes: DATA/registry, DATA/requests … for deploy/six.sh")
	return c
}
