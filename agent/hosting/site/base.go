package site

import (
	"fmt"
	"path/filepath"
	"strings"
)

// asked is the name under which nginx answers its generation.
const asked = "generation.steelyard" + own

// format of access logs; the package's documentation describes it.
const format = `log_format steelyard '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
	'$msec "$host" $request_length $bytes_sent "$request_completion"';
`

// parameters of PHP, once for all locations: the same lines in thousands of files would make each reload slower.
var parameters = [][2]string{
	{"SCRIPT_FILENAME", "$document_root$fastcgi_script_name"},
	{"SCRIPT_NAME", "$fastcgi_script_name"},
	{"DOCUMENT_ROOT", "$document_root"},
	{"DOCUMENT_URI", "$document_uri"},
	{"REQUEST_URI", "$request_uri"},
	{"REQUEST_METHOD", "$request_method"},
	{"REQUEST_SCHEME", "$scheme"},
	{"QUERY_STRING", "$query_string"},
	{"CONTENT_TYPE", "$content_type"},
	{"CONTENT_LENGTH", "$content_length"},
	{"HTTPS", "$https if_not_empty"},
	{"GATEWAY_INTERFACE", "CGI/1.1"},
	{"SERVER_SOFTWARE", "nginx"},
	{"SERVER_PROTOCOL", "$server_protocol"},
	{"SERVER_ADDR", "$server_addr"},
	{"SERVER_PORT", "$server_port"},
	{"SERVER_NAME", "$host"},
	{"REMOTE_ADDR", "$remote_addr"},
	{"REMOTE_PORT", "$remote_port"},
	{"REDIRECT_STATUS", "200"},
	{"HTTP_PROXY", `""`}, // a header "Proxy" must not become a setting of the script
}

// base is what all server blocks need. The table of names has room for 20,000 accounts, and each name for the longest.
func (o *Options) base() string {
	var b strings.Builder
	b.WriteString(format)
	b.WriteString("server_names_hash_max_size 131072;\nserver_names_hash_bucket_size 512;\n")
	for _, p := range parameters {
		fmt.Fprintf(&b, "fastcgi_param %s %s;\n", p[0], p[1])
	}
	return b.String()
}

// generation answers which files are loaded. It is the first server block of ours, so it is nginx's choice for names that nobody here has, unless the
// operator has a default server: such a visitor is never shown a customer's site.
func (o *Options) generation(text string) string {
	var b strings.Builder
	b.WriteString("server {\n")
	for _, address := range o.Listen {
		b.WriteString("\tlisten " + address + ";\n")
	}
	b.WriteString("\tserver_name " + asked + ";\n\taccess_log off;\n\tdefault_type text/plain;\n\tif ($host != " + asked + ") { return 404; }\n\treturn 200 " + text + ";\n}\n")
	return b.String()
}

// nginxInclude is the one file of ours in nginx's own configuration. Patterns may match nothing; a plain name would have to be there.
func (o *Options) nginxInclude() string {
	dir := filepath.Join(o.Layout.State, "nginx")
	return "# Made by steelyard-agent: sites of hosted accounts.\ninclude " + dir + "/[bg]*.conf;\ninclude " + dir + "/sites/*.conf;\n"
}

// nginxTest is a configuration of the files that shall come, and nothing else.
func (o *Options) nginxTest() string {
	dir := filepath.Join(o.Layout.State, "nginx")
	return fmt.Sprintf("user %s;\npid %s/test.pid;\nerror_log stderr emerg;\nevents {}\nhttp {\n\taccess_log off;\n\tinclude %s/base.conf;\n\tinclude %s/next/*.conf;\n}\n", o.Group, dir, dir, dir)
}

// phpInclude is the one file of ours in PHP-FPM's own configuration. A reload waits for scripts that run, but not for one that never ends:
// meanwhile nobody's are begun.
func (o *Options) phpInclude() string {
	dir := filepath.Join(o.Layout.State, "php")
	return "; Made by steelyard-agent: pools of hosted accounts.\n[global]\nprocess_control_timeout = 2s\ninclude = " + dir + "/[g]*.conf\ninclude = " + dir + "/pools/*.conf\n"
}

// phpTest is a configuration of the pools that shall come.
func (o *Options) phpTest() string {
	dir := filepath.Join(o.Layout.State, "php")
	return fmt.Sprintf("[global]\npid = %s/test.pid\nerror_log = /proc/self/fd/2\ninclude = %s/next/*.conf\n", dir, dir)
}

// phpGeneration is a pool that serves nobody: its socket shows that the files were loaded.
func (o *Options) phpGeneration(text string) string {
	return "[steelyard-generation]\nuser = 65534\ngroup = 65534\nlisten = " + o.PHP.generation(text) + "\nlisten.owner = root\nlisten.group = root\nlisten.mode = 0600\npm = ondemand\npm.max_children = 1\n"
}

func (v *PHP) generation(text string) string {
	return filepath.Join(v.Sockets, "steelyard-generation-"+text+".sock")
}

// rotation is the file for logrotate. The lines are kept for a month; who counts them reads them long before.
func (o *Options) rotation() string {
	return o.Layout.Logs + `/*/*.log {
	daily
	rotate 30
	missingok
	notifempty
	compress
	delaycompress
	create
	sharedscripts
	postrotate
		[ ! -s ` + o.NginxPID + ` ] || kill -HUP "$(cat ` + o.NginxPID + `)"
	endscript
}
`
}
