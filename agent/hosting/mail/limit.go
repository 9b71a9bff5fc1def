package mail

import (
	"errors"
	"fmt"
	"io/fs"
)

// limit is what Dovecot's userdb reads of a mailbox: nothing for none; a byte for zero, which Dovecot takes for none (rule X12).
func limit(mib *uint64) string {
	switch {
	case mib == nil:
		return "{}\n"
	case *mib == 0:
		return `{"quota_rule":"*:storage=1B"}` + "\n"
	}
	return fmt.Sprintf(`{"quota_rule":"*:storage=%dM"}`+"\n", *mib)
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
