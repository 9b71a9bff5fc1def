package mail

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// What mail is counted by (package meter). Postfix and Dovecot write to files of their own, by sockets that no customer reaches; into the system's log anybody may write.
func (o *Options) postfixLog() string { return filepath.Join(o.Layout.Logs, "postfix.log") }
func (o *Options) dovecotLog() string { return filepath.Join(o.Layout.Logs, "dovecot.log") }

// logs makes the logs, which no customer may read, and the file for logrotate.
func (p *Part) logs() error {
	if err := os.Mkdir(p.o.Layout.Logs, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, path := range []string{p.o.postfixLog(), p.o.dovecotLog()} {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			if _, err := file.Write(path, nil, file.Root); err != nil {
				return err
			}
		}
	}
	if _, err := os.Stat(filepath.Dir(p.o.Logrotate)); err != nil {
		return nil //nolint:nilerr // the operator rotates by other means
	}
	_, err := file.Write(p.o.Logrotate, []byte(p.o.rotation()), file.Owner{Mode: 0o644})
	return err
}

// rotation is the file for logrotate. Both daemons go on in the renamed file until they are told.
func (o *Options) rotation() string {
	return o.postfixLog() + " " + o.dovecotLog() + ` {
	daily
	rotate 30
	missingok
	notifempty
	compress
	delaycompress
	create 0600 root root
	sharedscripts
	postrotate
		` + o.Control + ` -c ` + o.Postfix + ` reload 2>/dev/null || true
		` + o.Doveadm + ` -c ` + o.Dovecot + ` log reopen 2>/dev/null || true
	endscript
}
`
}
