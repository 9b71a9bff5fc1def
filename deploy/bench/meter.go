package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
	look "github.com/steelyard/steelyard/agent/meter/rounds"
	"github.com/steelyard/steelyard/agent/meter/storage"
	"github.com/steelyard/steelyard/protocol"
)

// METER: what it costs to count. A log of nginx of 5,000 accounts is read by the meter, with all that it keeps durably, and by awk, which sums the same columns by account and quarter-hour and
// keeps nothing; the same requests in the combined format are read by GoAccess. And a whole meter of a node with 5,000 accounts, on which nothing happens.

const (
	metered     = 5000
	meterLines  = 6_000_000
	meterRounds = 3
	meterIdle   = 4 * time.Minute // two looks at what the kernel counts, sixteen rounds through the logs
)

const awkSums = `{ q = int($2 / 900); i[$1 " " q] += $3; o[$1 " " q] += $4 } END { for (k in i) { a += i[k]; b += o[k] } printf "%.0f %.0f\n", a, b }`

func measureMeter(ctx context.Context, b *bench) error {
	traffic, access := filepath.Join(b.dir, "traffic.log"), filepath.Join(b.dir, "access.log")
	in, out, err := writeLogs(traffic, access)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("%d %d\n", in, out)
	speeds := map[string][]float64{} // MB/s of a core
	for range meterRounds {
		ours, err := spawn(ctx, nil, "meter")
		if err != nil {
			return err
		}
		var p parsed
		if err := ours.ask(&p, "parse %s", traffic); err != nil {
			return err
		}
		ours.stop()
		if got := fmt.Sprintf("%d %d\n", p.In, p.Out); got != want {
			return fmt.Errorf("the meter counts %q and not %q", got, want)
		}
		speeds["ours"] = append(speeds["ours"], sizeOf(traffic)/1e6/p.CPU)
		for name, peer := range map[string]struct {
			file string
			args []string
		}{
			"mawk": {traffic, []string{"mawk", awkSums, traffic}}, "gawk": {traffic, []string{"gawk", awkSums, traffic}},
			"goaccess": {access, []string{"goaccess", access, "--log-format=COMBINED", "--no-global-config", "--no-progress", "-o", filepath.Join(b.dir, "report.json")}},
		} {
			seconds, said, err := spend(ctx, peer.args...)
			if errors.Is(err, exec.ErrNotFound) {
				b.note("METER: %s is not installed", name)
				continue
			}
			if err != nil {
				return err
			}
			if name != "goaccess" && said != want {
				return fmt.Errorf("%s counts %q and not %q", name, said, want)
			}
			speeds[name] = append(speeds[name], sizeOf(peer.file)/1e6/seconds)
		}
	}
	for _, name := range []string{"mawk", "gawk", "goaccess"} {
		if len(speeds[name]) == 0 {
			continue
		}
		ratios := make([]float64, meterRounds)
		for i := range ratios {
			ratios[i] = speeds["ours"][i] / speeds[name][i]
		}
		b.add(Row{Goal: "METER", Name: "reading an access log, a core, against " + name, Ours: middle(speeds["ours"]), Peer: num(middle(speeds[name])), Unit: "MB/s"}.ratioAtLeast(middle(ratios), 3))
	}
	return measureIdleMeter(ctx, b)
}

func measureIdleMeter(ctx context.Context, b *bench) error {
	c, err := spawn(ctx, nil, "meter")
	if err != nil {
		return err
	}
	defer c.stop()
	var rest rested
	if err := c.ask(&rest, "rest %s %d", filepath.Join(b.dir, "node"), int(meterIdle.Seconds())); err != nil {
		return err
	}
	b.add(
		Row{Goal: "METER", Name: fmt.Sprintf("idle meter of %d accounts, of a core", metered), Ours: rest.Share * 100, Unit: "%"}.oursAtMost(0.1),
		Row{Goal: "METER", Name: fmt.Sprintf("memory of a meter of %d accounts, over a program that does nothing", metered), Ours: rest.Memory, Unit: "MiB"}.oursAtMost(32),
	)
	return nil
}

func middle(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func sizeOf(file string) float64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

// spend runs a program and tells its processor time in seconds, and what it said.
func spend(ctx context.Context, args ...string) (seconds float64, said string, err error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var text, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &complaint
	if err := cmd.Run(); err != nil {
		return 0, "", fmt.Errorf("%s: %w: %.500s", args[0], err, complaint.String())
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), text.String(), nil
}

var logBegun = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// writeLogs writes the same requests as both formats have them. A visitor asks for several things at a time, and all accounts are visited.
func writeLogs(traffic, access string) (in, out uint64, err error) {
	err = writeBoth(traffic, access, func(t, a *bufio.Writer) {
		for i := range meterLines {
			user, at := (i/7*2654435761)%metered, logBegun.Add(time.Duration(i)*500*time.Microsecond)
			got, sent := uint64(380+i%400), uint64(600+i*7919%90_000)
			in, out = in+got, out+sent
			fmt.Fprintf(t, "user%d %d.%03d %d %d\n", user, at.Unix(), at.Nanosecond()/1e6, got, sent)
			fmt.Fprintf(a, "192.0.2.%d - - [%s] \"GET /page/%d.html HTTP/1.1\" 200 %d \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n", i%250, at.Format("02/Jan/2006:15:04:05 -0700"), i%5000, sent)
		}
	})
	return in, out, err
}

func writeBoth(one, two string, write func(a, b *bufio.Writer)) error {
	a, err := os.Create(one)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Create(two)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := bufio.NewWriterSize(a, 1<<20), bufio.NewWriterSize(b, 1<<20)
	write(x, y)
	return errors.Join(x.Flush(), y.Flush())
}

// parsed is a log that was counted; rested is a meter on which nothing happened.
type (
	parsed struct {
		CPU     float64 // s
		In, Out uint64
	}
	rested struct{ Share, Memory float64 }
)

// serveMeter is the child that counts.
func serveMeter([]string) (any, func([]string) (any, error), error) {
	return nil, func(words []string) (any, error) {
		switch {
		case len(words) == 2 && words[0] == "parse":
			return parseLog(words[1])
		case len(words) == 3 && words[0] == "rest":
			seconds, err := strconv.Atoi(words[2])
			if err != nil {
				return nil, err
			}
			return restMeter(words[1], time.Duration(seconds)*time.Second)
		}
		return nil, fmt.Errorf("not understood: %q", words)
	}, nil
}

func meterUsers() map[string]string {
	users := map[string]string{}
	for i := range metered {
		users["user"+strconv.Itoa(i)] = fmt.Sprintf("acc-%016d", i)
	}
	return users
}

func parseLog(file string) (p parsed, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(file), "book")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	kept, err := book.Open(dir, time.Now)
	if err != nil {
		return p, err
	}
	defer kept.Close()
	month := book.Month{Name: "2026-11", From: book.QuarterOf(logBegun), To: book.QuarterOf(logBegun.AddDate(0, 1, 0))}
	if err := kept.SetMonths([]book.Month{month}); err != nil {
		return p, err
	}
	m := meter.New(meter.Options{Book: kept, WWW: file, FTP: filepath.Join(dir, "none"), Now: time.Now})
	users := meterUsers()
	before := processCPU()
	if err := m.Look(context.Background(), users); err != nil {
		return p, err
	}
	p.CPU = (processCPU() - before).Seconds()
	list, _ := kept.Changed(0)
	for _, r := range list {
		t := r.Months[0][book.WWW]
		p.In, p.Out = p.In+t.In, p.Out+t.Out
	}
	return p, nil
}

// restMeter is all that an agent has to count with, on a node whose accounts have a site and a mailbox each.
func restMeter(dir string, window time.Duration) (r rested, err error) {
	bare := residentAfterGC()
	l := part.Layout{Homes: filepath.Join(dir, "homes"), Mail: filepath.Join(dir, "mail"), Logs: filepath.Join(dir, "logs"), State: filepath.Join(dir, "state")}
	docs, err := tenants(l)
	if err != nil {
		return r, err
	}
	log := slog.New(slog.DiscardHandler)
	count, err := look.Open(look.Options{Dir: filepath.Join(dir, "meter"), Logger: log, Logs: meter.Options{
		WWW: filepath.Join(l.Logs, "traffic.log"), FTP: filepath.Join(l.Logs, "ftp.log"), SMTP: filepath.Join(l.Logs, "postfix.log"), IMAP: filepath.Join(l.Logs, "dovecot.log"),
	}})
	if err != nil {
		return r, err
	}
	defer count.Close()
	var known atomic.Int64
	measurer := storage.New(storage.Options{
		Layout: l, Databases: filepath.Join(dir, "none"), Used: quota.New(quota.Options{Layout: l}).Used, Deleted: count.Reporter().Deleted, Logger: log,
		Stored: func(account string, s protocol.Stored, urgent bool) {
			known.Add(1)
			count.Reporter().Stored(account, s, urgent)
		},
		Accounts: func() (list []storage.Account) {
			for i := range docs {
				list = append(list, storage.Of(&docs[i]))
			}
			return list
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		count.Run(ctx, func(f func(*protocol.HostedAccount)) {
			for i := range docs {
				f(&docs[i])
			}
		})
		done <- struct{}{}
	}()
	go func() { measurer.Run(ctx); done <- struct{}{} }()
	defer func() { cancel(); <-done; <-done }()
	for end := time.Now().Add(10 * time.Minute); known.Load() < metered; time.Sleep(time.Second) {
		if time.Now().After(end) {
			return r, fmt.Errorf("only %d accounts were measured", known.Load())
		}
	}
	time.Sleep(look.Every) // the logs are read
	before, begun := processCPU(), time.Now()
	time.Sleep(window)
	r.Share = (processCPU() - before).Seconds() / time.Since(begun).Seconds()
	r.Memory = (residentAfterGC() - bare) / (1 << 20)
	return r, nil
}

// tenants makes the accounts, and logs in which each was visited.
func tenants(l part.Layout) (docs []protocol.HostedAccount, err error) {
	if err := os.MkdirAll(l.Logs, 0o755); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	now := time.Now().Unix()
	for i := range metered {
		user := "user" + strconv.Itoa(i)
		limit := uint64(1000)
		docs = append(docs, protocol.HostedAccount{ID: fmt.Sprintf("acc-%016d", i), User: user, Domain: user + ".example", State: protocol.HostedPresent, DiskMiB: &limit})
		for _, d := range []string{l.Htdocs(user), filepath.Join(l.Htdocs(user), "img"), l.Private(user), filepath.Join(l.Mail, user+".example", "info", "cur")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return nil, err
			}
		}
		for j := range 8 {
			if err := os.WriteFile(filepath.Join(l.Htdocs(user), "img", strconv.Itoa(j)+".txt"), []byte("hello"), 0o644); err != nil {
				return nil, err
			}
		}
		for j := range 96 { // a whole day
			fmt.Fprintf(&log, "%s %d.000 %d %d\n", user, now-int64(j)*900, 400, 9000)
		}
	}
	for _, name := range []string{"ftp.log", "postfix.log", "dovecot.log"} {
		if err := os.WriteFile(filepath.Join(l.Logs, name), nil, 0o600); err != nil {
			return nil, err
		}
	}
	return docs, os.WriteFile(filepath.Join(l.Logs, "traffic.log"), log.Bytes(), 0o600)
}
