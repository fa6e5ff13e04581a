package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// bareItem is a request as a handler with nothing behind it holds it.
type bareItem struct {
	ID          string `json:"id"`
	CommunityID string `json:"communityId"`
	Kind        string `json:"kind"`
	Category    string `json:"category"`
	Visibility  string `json:"visibility"`
	State       string `json:"state,omitempty"`
	Text        string `json:"text"`
	PostedAt    string `json:"postedAt,omitempty"`
}

// bare answers get, list and create from memory: net/http and encoding/json,
// and nothing else. It is the limit of what a service can reach.
type bare struct {
	mu          sync.RWMutex
	all         []*bareItem
	byCommunity map[string][]*bareItem
}

func bareCommand() *cobra.Command {
	var address string
	var rows int
	c := &cobra.Command{
		Use: "bare", Short: "serve the same rows from memory with net/http alone", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			server := &http.Server{Handler: newBare(rows).routes()} //nolint:gosec // it serves the machine it is measured on
			go func() {
				<-c.Context().Done()
				_ = server.Close()
			}()
			fmt.Fprintf(c.OutOrStdout(), "bare handler with %d rows on %s\n", rows, l.Addr())
			if err := server.Serve(l); c.Context().Err() == nil {
				return fmt.Errorf("serve: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&address, "http", "127.0.0.1:8092", "address to listen on")
	c.Flags().IntVar(&rows, "rows", 10_000, "rows in memory")
	return c
}

func newBare(rows int) *bare {
	b := &bare{byCommunity: map[string][]*bareItem{}}
	for i := range rows {
		r := row(i)
		b.add(&bareItem{
			CommunityID: r.GetCommunityId(), Kind: r.GetKind().String(), Category: r.GetCategory(),
			Visibility: r.GetVisibility().String(), Text: r.GetText(), PostedAt: "2026-01-01T00:00:00Z",
		})
	}
	return b
}

func (b *bare) add(it *bareItem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it.ID, it.State = strconv.Itoa(len(b.all)), "REQUEST_STATE_POSTED"
	b.all = append(b.all, it)
	b.byCommunity[it.CommunityID] = append(b.byCommunity[it.CommunityID], it)
}

func (b *bare) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		b.mu.RLock()
		defer b.mu.RUnlock()
		i, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || i < 0 || i >= len(b.all) {
			http.NotFound(w, r)
			return
		}
		answerBare(w, b.all[i])
	})
	mux.HandleFunc("GET /v1/organizations/{id}/requests", func(w http.ResponseWriter, r *http.Request) {
		answerBare(w, map[string]any{"requests": b.newest(r.PathValue("id"), 50)})
	})
	mux.HandleFunc("POST /v1/requests", func(w http.ResponseWriter, r *http.Request) {
		it := &bareItem{}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(it); err != nil || strings.TrimSpace(it.Text) == "" {
			http.Error(w, "not a request", http.StatusBadRequest)
			return
		}
		b.add(it)
		answerBare(w, it)
	})
	return mux
}

func (b *bare) newest(community string, n int) []*bareItem {
	b.mu.RLock()
	defer b.mu.RUnlock()
	of := b.byCommunity[community]
	out := make([]*bareItem, 0, n)
	for i := len(of) - 1; i >= 0 && len(out) < n; i-- {
		out = append(out, of[i])
	}
	return out
}

func answerBare(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a caller that is gone wants nothing
}
