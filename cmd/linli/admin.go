package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/registry"
)

func adminCommand() *cobra.Command {
	c := &cobra.Command{Use: "admin", Short: "make administrators of a data folder that no server is using"}
	var folder string
	var a house.Administrator
	create := &cobra.Command{
		Use: "create", Short: "make a security administrator, who makes all other accounts", Args: cobra.NoArgs,
		Long: `Make a security administrator who may act everywhere and makes all other accounts.
The password is asked for without being shown; where the standard input is no
terminal, its first line is the password.`,
		Example: "  linli admin create --login zhou.ming --name 周明 --data /var/lib/linli",
		RunE: func(c *cobra.Command, _ []string) error {
			return createAdministrator(c.Context(), folder, a, passwordFrom(os.Stdin, c.ErrOrStderr()), c.OutOrStdout())
		},
	}
	dataFlag(create, &folder, "./var")
	create.Flags().StringVar(&a.Login, "login", "", "what is typed to sign in: small letters, digits, . _ -")
	create.Flags().StringVar(&a.Name, "name", "", "name of the person, for colleagues")
	create.Flags().BoolVar(&a.Another, "another", false, "make one although there is one: when nobody can sign in any more")
	c.AddCommand(create)
	return c
}

// createAdministrator asks for the password once everything else is known.
func createAdministrator(ctx context.Context, folder string, a house.Administrator, password func() (string, error), out io.Writer) error {
	a.Name = strings.TrimSpace(a.Name)
	if a.Login == "" || a.Name == "" {
		return errors.New("--login and --name: who is it?")
	}
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("data folder %s: %w", folder, err)
	}
	var err error
	if a.Password, err = password(); err != nil {
		return err
	}
	err = house.CreateAdministrator(ctx, toolConfig(folder), a)
	var broken *rule.Error
	switch {
	case errors.As(err, &broken):
		return errors.New(texts.Text(texts.English, broken.Reason, broken.Params...))
	case errors.Is(err, registry.ErrAdministratorThere):
		return fmt.Errorf("%w; --another makes one all the same", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "%s is a security administrator; the first sign-in sets up the second factor\n", a.Login)
	return nil
}

// longestPasswordLine is more than a password has.
const longestPasswordLine = 4096

// passwordFrom asks for a password twice where somebody types, and reads a line
// where a program writes.
func passwordFrom(in *os.File, ask io.Writer) func() (string, error) {
	return func() (string, error) {
		if !term.IsTerminal(int(in.Fd())) {
			return passwordLine(in)
		}
		first, err := hidden(in, ask, "password: ")
		if err != nil {
			return "", err
		}
		again, err := hidden(in, ask, "once more: ")
		if err == nil && first != again {
			err = errors.New("the two are not the same")
		}
		return first, err
	}
}

func hidden(in *os.File, ask io.Writer, what string) (string, error) {
	fmt.Fprint(ask, what)
	typed, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(ask)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(typed), nil
}

func passwordLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, longestPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// printFirst tells how the first administrator is made: once, to who started
// linli, and to no log.
func printFirst(out io.Writer, c house.Config, base, code string) {
	at := "open /first#" + code + " at the gateway"
	if c.Role == house.Whole {
		at = "open " + base + "/first#" + code
		if u, err := url.Parse(base); err == nil && net.ParseIP(u.Hostname()).IsUnspecified() {
			at = fmt.Sprintf("open %s://NAME:%s/first#%s\n  NAME being a name or address of this machine that its certificate holds", u.Scheme, u.Port(), code)
		}
	}
	fmt.Fprintf(out, "\nNobody administers this linli yet. Within 24 hours and once, the first administrator is made here:\n"+
		"  %s\nor, while it is stopped: linli admin create --data %s\n", at, c.Data)
}
