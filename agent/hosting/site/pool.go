package site

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/part"
)

// socket of an account's pool. No user's name has a "-".
func (v *PHP) socket(user string) string { return filepath.Join(v.Sockets, "steelyard-"+user+".sock") }

// pool is the file of an account's pool. Nothing in it depends on what may be missing later (a name in passwd, a directory): PHP-FPM would not start for anybody.
func (o *Options) pool(a *part.Account) string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s = %s\n", key, value) }
	home, tmp := o.Layout.Home(a.User)+"/", o.Layout.Temporary(a.User)
	b.WriteString("; Made by steelyard-agent. What is changed here is overwritten.\n[steelyard-" + a.User + "]\n") // a user may be called "global"
	line("user", fmt.Sprint(a.UID))
	line("group", fmt.Sprint(a.GID))
	line("listen", o.PHP.socket(a.User))
	line("listen.owner", "root")
	line("listen.group", o.Group)
	line("listen.mode", "0660")
	line("pm", "ondemand")
	line("pm.max_children", fmt.Sprint(o.PHPChildren))
	line("pm.process_idle_timeout", "10s")
	line("pm.max_requests", "500")
	line("security.limit_extensions", ".php")
	line("env[TMPDIR]", tmp)
	line("php_admin_value[open_basedir]", home)
	line("php_admin_value[session.save_path]", tmp)
	line("php_admin_value[upload_tmp_dir]", tmp)
	line("php_admin_value[sys_temp_dir]", tmp)
	line("php_admin_value[session.gc_probability]", "1") // Debian's cron job cleans its own directory only
	line("php_admin_value[session.gc_divisor]", "1000")
	line("php_admin_value[opcache.restrict_api]", o.Layout.State) // a script could list those of all pools, and empty their cache
	line("php_admin_flag[opcache.validate_permission]", "on")
	line("php_admin_flag[log_errors]", "on")
	line("php_admin_value[error_log]", errorLog(o.Layout.LogsOf(a.User)))
	return b.String()
}
