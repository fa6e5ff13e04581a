// Package sms hands one-time codes to whatever sends messages to phones.
package sms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/texts"
)

// Config of a sender.
type Config struct {
	// URL is posted to: https, or http on this machine alone.
	URL string
	// Secret is sent as "Authorization: Bearer …"; empty = nothing is.
	Secret string
	// Holds is how long a code is taken, for the text.
	Holds time.Duration
}

const (
	// patience is how long one post may take, whatever its caller would wait.
	patience = 10 * time.Second
	// mostAnswer bytes of an answer are read: its status is what counts.
	mostAnswer = 16 << 10
)

// HTTP posts codes to the programming interface of a provider of short messages,
// or to the small program that speaks to it.
type HTTP struct {
	config Config
	host   string
	client *http.Client
}

// NewHTTP makes a sender. The address and the secret are never part of an error.
func NewHTTP(c Config) (*HTTP, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("the address of the short messages is not of the form https://host/path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("the address of the short messages must begin with https, because codes and phones go there; http is for this machine alone")
	}
	return &HTTP{config: c, host: u.Host, client: &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
			TLSHandshakeTimeout: patience, ForceAttemptHTTP2: true,
			MaxConnsPerHost: 16, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: mostAnswer,
		},
		// A code is handed to whom the operator named, and to nobody it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// post is the body of a request.
type post struct {
	Phone string `json:"phone"`
	Code  string `json:"code"`
	// Text is the whole message, for providers that take any.
	Text     string `json:"text"`
	Language string `json:"language"`
}

// Send posts a code; any status but 2xx is an error.
func (s *HTTP) Send(ctx context.Context, phone, code, language string) error {
	body, err := json.Marshal(post{Phone: phone, Code: code, Language: language, Text: texts.Text(language, "short message.phone code",
		"code", code, "minutes", strconv.Itoa(int(s.config.Holds/time.Minute)))})
	if err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to %s: the address cannot be posted to", s.host)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if s.config.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.config.Secret)
	}
	answer, err := s.client.Do(req)
	if err != nil {
		var unsaid *url.Error // whose text has the whole address in it
		if errors.As(err, &unsaid) {
			err = unsaid.Err
		}
		return fmt.Errorf("post to %s: %w", s.host, err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing more is wanted of it
	// Read to its end, the connection is used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, mostAnswer))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("post to %s: it answered %d", s.host, answer.StatusCode)
	}
	return nil
}

// Log writes codes to a log, for development: nobody is sent anything.
type Log struct{ To *slog.Logger }

// Send logs the code and the end of the phone's number.
func (l Log) Send(_ context.Context, phone, code, _ string) error {
	l.To.Warn("a one-time code that would be sent to a phone", "phone", strings.Repeat("*", max(0, len(phone)-4))+phone[max(0, len(phone)-4):], "code", code)
	return nil
}
