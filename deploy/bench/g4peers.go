package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/steelyard/steelyard/protocol"
)

// serveBare is the child that has TLS, a codec for these numbers, and an array. Nothing is checked, nothing is kept.
func serveBare(args []string) (any, func([]string) (any, error), error) {
	totals := make([][2][3]protocol.Traffic, usageConns*usageReported)
	var mu sync.Mutex
	address, ask, err := accepting(args[0], func(conn *tls.Conn) {
		defer conn.Close()
		in := bufio.NewReaderSize(conn, 64<<10)
		var b []byte
		for {
			var head [4]byte
			if _, err := io.ReadFull(in, head[:]); err != nil {
				return
			}
			n := int(binary.BigEndian.Uint32(head[:]))
			if n == 0 {
				if _, err := conn.Write(head[:1]); err != nil {
					return
				}
				continue
			}
			if cap(b) < n {
				b = make([]byte, n)
			}
			if _, err := io.ReadFull(in, b[:n]); err != nil {
				return
			}
			mu.Lock()
			foldBare(totals, b[:n])
			mu.Unlock()
		}
	})
	return address, usageAnswers(ask, func() (sum [2]uint64) {
		mu.Lock()
		defer mu.Unlock()
		for i := range totals {
			addUsage(&sum, &totals[i])
		}
		return sum
	}), err
}

func foldBare(totals [][2][3]protocol.Traffic, b []byte) {
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		t := &totals[next()]
		for m := range t {
			for c := range t[m] {
				t[m][c].In = max(t[m][c].In, next())
				t[m][c].Out = max(t[m][c].Out, next())
			}
		}
	}
}

func addUsage(sum *[2]uint64, t *[2][3]protocol.Traffic) {
	for m := range t {
		for _, c := range t[m] {
			sum[m] += c.In + c.Out
		}
	}
}

// usageAnswers adds what the parent asks a server of usage to what it asks all of them.
func usageAnswers(ask func([]string) (any, error), sum func() [2]uint64) func([]string) (any, error) {
	return func(words []string) (any, error) {
		switch words[0] {
		case "settle":
			return nil, nil
		case "sum":
			return sum(), nil
		}
		return ask(words)
	}
}

// serveJSON is the child that takes JSON by HTTP, into a map.
func serveJSON(args []string) (any, func([]string) (any, error), error) {
	auth, _, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	config, err := mutual(auth)
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	totals := map[string]map[string]jsonMonth{}
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []jsonAccount
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&list); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		for _, a := range list {
			if totals[a.Account] == nil {
				totals[a.Account] = map[string]jsonMonth{}
			}
			for month, t := range a.Months {
				totals[a.Account][month] = t.raise(totals[a.Account][month])
			}
		}
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() {
		if err := s.Serve(tls.NewListener(ln, config)); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return ln.Addr().String(), usageAnswers(figures, func() (sum [2]uint64) {
		mu.Lock()
		defer mu.Unlock()
		for _, months := range totals {
			for i, month := range []string{"2026-10", "2026-11"} {
				t := months[month]
				for _, c := range []jsonTraffic{t.WWW, t.FTP, t.Mail} {
					sum[i] += c.In + c.Out
				}
			}
		}
		return sum
	}), nil
}

func (m jsonMonth) raise(o jsonMonth) jsonMonth {
	return jsonMonth{WWW: m.WWW.raise(o.WWW), FTP: m.FTP.raise(o.FTP), Mail: m.Mail.raise(o.Mail)}
}

func (t jsonTraffic) raise(o jsonTraffic) jsonTraffic {
	return jsonTraffic{In: max(t.In, o.In), Out: max(t.Out, o.Out)}
}
