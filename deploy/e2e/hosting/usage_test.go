package hosting

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// logged is what the logs of the node have of a user: bytes of his site, by its direction, and of FTP.
func (w *world) logged(user string) (www, ftp [2]uint64) {
	w.t.Helper()
	number := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	for _, f := range w.logLines("traffic.log") { // USER TIME IN OUT
		if f[0] == user {
			www[0], www[1] = www[0]+number(f[2]), www[1]+number(f[3])
		}
	}
	for _, f := range w.logLines("ftp.log") { // TIME LOGIN COMMAND STATUS BYTES …
		login, _, _ := strings.Cut(f[1], "_")
		way := map[string]int{"STOR": 0, "RETR": 1}
		if i, ok := way[f[2]]; ok && login == user && f[4] != "-" {
			ftp[i] += number(f[4])
		}
	}
	return www, ftp
}

func (w *world) logLines(name string) (lines [][]string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("/var/log/steelyard-hosting", name))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

// accounted is rule C21 from one end to the other: what daemons logged of a customer until his account went is what the overview has of him for ever, to the byte.
func (c *customer) accounted() {
	c.t.Helper()
	type traffic struct {
		Domain, User string
		GoneAt       string `json:"gone_at"`
		WWW          uint64 `json:"www_bytes"`
		FTP          uint64 `json:"ftp_bytes"`
		Mail         uint64 `json:"mail_bytes"`
		Total        uint64 `json:"total_bytes"`
		In           uint64 `json:"in_bytes"`
		Out          uint64 `json:"out_bytes"`
	}
	www, ftp := c.logged(c.user)
	c.until("his traffic is in the overview", func() error {
		var all struct {
			Items []traffic
			Sum   traffic
		}
		c.json(&all, "usage", "traffic")
		var sum traffic
		var his *traffic
		for i, a := range all.Items {
			sum.WWW, sum.FTP, sum.Mail, sum.Total, sum.In, sum.Out = sum.WWW+a.WWW, sum.FTP+a.FTP, sum.Mail+a.Mail, sum.Total+a.Total, sum.In+a.In, sum.Out+a.Out
			if a.User == c.user {
				his = &all.Items[i]
			}
		}
		switch {
		case his == nil || his.GoneAt == "" || his.Domain != c.domain:
			return fmt.Errorf("%s is not among %+v", c.user, all)
		case his.WWW != www[0]+www[1] || his.FTP != ftp[0]+ftp[1] || his.Mail != 0: // his mail never left the node, and is no traffic
			return fmt.Errorf("the overview has %+v; the logs have %v of his site and %v of FTP", *his, www, ftp)
		case his.Total != his.WWW+his.FTP+his.Mail || his.Total != his.In+his.Out:
			return fmt.Errorf("classes are not the total: %+v", *his)
		case sum != all.Sum:
			return fmt.Errorf("accounts sum up to %+v, and the overview says %+v", sum, all.Sum)
		}
		return nil
	})
}
