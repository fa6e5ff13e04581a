package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/demo"
	"github.com/linli-project/linli/cmd/signin"
	"github.com/linli-project/linli/pkg/access"
)

// asCommand signs in somebody for a try in the shell.
func asCommand() *cobra.Command {
	var c signin.Config
	var phones, role string
	var p signin.Person
	cmd := &cobra.Command{
		Use: "as", Short: "sign in as somebody of a linli that is tried out, and print the access token", Args: cobra.NoArgs,
		Long: `Sign in as somebody, through the public interface, and print an access token, which
holds for ten minutes. Who is not there yet is made: an officer by the security
administrator, a member by an invitation, a resident by the code that linli sends
to a phone, if LINLI_SMS of linli is --phones; linli sends a phone one code a
minute, and who comes sooner waits. How they sign in lies in --people.
The first call needs --code: what follows # in the link that linli printed.`,
		Example: "  linli as --people tour.json --code 7Q… --role system_admin --name admin\n" +
			"  linli as --people tour.json --role committee_staff --name xiong --at 430101002001",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var known bool
			if p.Role, known = access.RoleOf(role); !known || p.Name == "" || c.File == "" {
				return errors.New("--people, --role and --name: who is it?")
			}
			if c.Phones, err = signin.OpenPhones(phones); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, c.Phones.Close()) }()
			desk, err := signin.NewDesk(c)
			if err != nil {
				return err
			}
			token, err := desk.Token(cmd.Context(), p)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	cmd.Flags().StringVar(&c.Address, "address", "127.0.0.1:8080", "where REST is")
	cmd.Flags().StringVar(&c.File, "people", "", "file that keeps how the people sign in")
	cmd.Flags().StringVar(&c.Code, "code", "", "code of the first link, once")
	cmd.Flags().StringVar(&c.Top, "top", demo.Top, "the organization that all members are below")
	cmd.Flags().StringVar(&phones, "phones", "127.0.0.1:0", "where codes for phones are taken")
	cmd.Flags().StringVar(&role, "role", "", "committee_staff, member, resident …")
	cmd.Flags().StringVar(&p.Name, "name", "", "a name of your own for the person; of a member the id")
	cmd.Flags().StringVar(&p.Organization, "at", "", "id of the organization; empty for administrators")
	return cmd
}
