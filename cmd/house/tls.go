package house

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/linli-project/linli/pkg/certs"
)

// TLS names the files that secure the connections between the parts: the
// certificate and key of this part, and the authority that has signed those of
// all. All three or none; read at the start.
type TLS struct{ CertFile, KeyFile, CAFile string }

// TLSIn are the files of a part in a folder that `linli cert` made.
func TLSIn(folder, part string) TLS {
	cert, key := certs.File(folder, part)
	return TLS{CertFile: cert, KeyFile: key, CAFile: certs.CAFile(folder)}
}

func (t TLS) isSet() bool { return t != TLS{} }

func (t TLS) validate() error {
	if t.isSet() && (t.CertFile == "" || t.KeyFile == "" || t.CAFile == "") {
		return errors.New("TLS needs LINLI_TLS_CERT_FILE, LINLI_TLS_KEY_FILE and LINLI_TLS_CA_FILE")
	}
	return nil
}

// load reads them: what a listener shows and demands, and what a client does.
// Both are nil without TLS.
func (t TLS) load() (server, client *tls.Config, err error) {
	if !t.isSet() {
		return nil, nil, nil
	}
	return certs.Between(t.CertFile, t.KeyFile, t.CAFile)
}

// DialOption secures a connection of a tool to a part: with the files as the
// parts themselves do, without them it is plain.
func (t TLS) DialOption() (grpc.DialOption, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	_, client, err := t.load()
	if err != nil {
		return nil, err
	}
	if client == nil {
		return grpc.WithTransportCredentials(insecure.NewCredentials()), nil
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(client)), nil
}

// HTTPS names the files of what browsers and programs see. Both or none.
type HTTPS struct{ CertFile, KeyFile string }

// HTTPSIn are the files for browsers in a folder that `linli cert` made.
func HTTPSIn(folder string) HTTPS {
	cert, key := certs.File(folder, certs.HTTPS)
	return HTTPS{CertFile: cert, KeyFile: key}
}

func (s HTTPS) isSet() bool { return s != HTTPS{} }

// Loopback says whether an address is reached from this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secured refuses an address that others reach without TLS: real people's data
// goes over it from the first start on.
func (c Config) secured() error {
	if c.HTTPS.isSet() && (c.HTTPS.CertFile == "" || c.HTTPS.KeyFile == "") {
		return errors.New("HTTPS needs LINLI_HTTPS_CERT_FILE and LINLI_HTTPS_KEY_FILE")
	}
	public := []string{c.HTTP}
	if c.Role == Whole {
		public = append(public, c.GRPC)
	}
	for _, address := range public {
		if (c.Role == Whole || c.Role == Gateway) && !Loopback(address) && !c.HTTPS.isSet() {
			return fmt.Errorf("address %s can be reached from other machines, so it speaks TLS only: make certificates with `linli cert --host NAME` "+
				"and name their folder with LINLI_CERTS, or name your own with LINLI_HTTPS_CERT_FILE and LINLI_HTTPS_KEY_FILE; "+
				"or listen on 127.0.0.1, behind a proxy that ends TLS", address)
		}
	}
	if c.Role == Whole || c.TLS.isSet() {
		return nil
	}
	all, err := c.listens()
	if err != nil {
		return err
	}
	for _, address := range all[1:] { // the first is metrics and health, or was looked at
		if !Loopback(address) {
			return fmt.Errorf("address %s can be reached from other machines, and the parts talk over TLS only there: make certificates with `linli cert` "+
				"and name their folder with LINLI_CERTS", address)
		}
	}
	return nil
}

// loadTLS reads the certificates of this process.
func (h *House) loadTLS() (err error) {
	if h.tlsServer, h.tlsClient, err = h.config.TLS.load(); err != nil {
		return err
	}
	if h.config.HTTPS.isSet() {
		h.tlsOutside, err = certs.Outside(h.config.HTTPS.CertFile, h.config.HTTPS.KeyFile)
	}
	return err
}

// doorTLS secures the door: towards other parts, or in the whole towards
// programs of anybody.
func (h *House) doorTLS() *tls.Config {
	if h.config.Role == Whole {
		return h.tlsOutside
	}
	return h.tlsServer
}
