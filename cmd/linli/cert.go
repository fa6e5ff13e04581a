package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/clock"
)

func certCommand() *cobra.Command {
	var folder string
	var hosts []string
	c := &cobra.Command{
		Use: "cert", Short: "make or renew the certificates of the parts, and of the pages", Args: cobra.NoArgs,
		Long: "cert makes an authority of this installation's own, unless the folder has one, and with it a certificate\n" +
			"for each part (by which the parts know each other), for the operator's tools, and for HTTPS. Run again, it\n" +
			"renews them and keeps the authority; parts read their files at the start. Each machine needs the files of\n" +
			"its parts and ca.pem; ca.key can be kept elsewhere. Browsers trust the pages once ca.pem is installed in\n" +
			"them; a certificate that they trust already is named with LINLI_HTTPS_CERT_FILE and LINLI_HTTPS_KEY_FILE.",
		Example: "  linli cert --to /etc/linli/certs --host linli.example.gov.cn --host 10.1.2.3",
		RunE: func(c *cobra.Command, _ []string) error {
			made, err := certs.Make(folder, hosts, clock.Wall().Now())
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if made.NewAuthority {
				fmt.Fprintf(out, "made an authority: %s\n", certs.CAFile(folder))
			}
			for _, file := range made.Files {
				fmt.Fprintf(out, "  %s\n", file)
			}
			fmt.Fprintf(out, "They hold until %s; run it again before, and start the parts again.\nLINLI_CERTS=%s is what `linli serve` wants to know.\n",
				made.Until.Format(time.DateOnly), folder)
			return nil
		},
	}
	c.Flags().StringVar(&folder, "to", cmp.Or(os.Getenv("LINLI_CERTS"), "./certs"), "folder of the certificates (LINLI_CERTS)")
	c.Flags().StringArrayVar(&hosts, "host", nil, "name or address at which linli is reached, beside localhost; once for each")
	return c
}
