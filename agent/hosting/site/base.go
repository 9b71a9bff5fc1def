package site

import (
	"fmt"
	"path/filepath"
	"strings"
)

// asked is the name under which nginx answers its generation.
const asked = "generation.steelyard" + own

// formats of access logs; the package's documentation describes them.
const formats = `log_format steelyard '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
	'$msec "$host" $request_length $bytes_sent "$request_completion"';
log_format steelyard_traffic '$steelyard_user $msec $request_length $bytes_sent';
`

// tables say what is under a name: the table of all accounts' lines (see [Options.lines]), and what they are made of. A table has room for the names of 20,000 accounts, and for the longest of them.
const tables = `map_hash_max_size 262144;
map_hash_bucket_size 512;
map $host $steelyard { default ""; include %s/hosts/*.conf; }
map $steelyard $steelyard_kind { default ""; "~^(?<steelyard_1>[a-z]+) " $steelyard_1; }
map $steelyard $steelyard_user { default ""; "~^[a-z]+ (?<steelyard_2>[a-z0-9]+) " $steelyard_2; }
map $steelyard $steelyard_dir { default ""; "~^[a-z]+ [a-z0-9]+ (?<steelyard_3>[a-z0-9./-]+)" $steelyard_3; }
map $steelyard $steelyard_target { default ""; "~^redirect [a-z0-9]+ htdocs (?<steelyard_4>[a-z0-9.-]+)$" $steelyard_4; }
map $steelyard_kind $steelyard_index { default index.html; php index.php; }
map $steelyard_kind $steelyard_front { default /.steelyard/none; php /index.php$is_args$args; }
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

// notice is what visitors of a suspended account see: nothing of the customer's.
const notice = `<!doctype html><html lang=en><meta charset=utf-8><title>Not available</title><h1>This site is not available</h1><p>Please come back later.</p></html>`

// base is the one server of all accounts, and what it needs. Where links are checked nginx 1.22 takes the root of a request that no file answered for missing, and writes no line into a log whose
// path has variables; so they are checked where files are sent, and nothing else ends there. Scripts are read by PHP as the customer.
func (o *Options) base() string {
	var b strings.Builder
	b.WriteString(formats)
	fmt.Fprintf(&b, tables, o.nginxDir())
	for _, p := range parameters {
		fmt.Fprintf(&b, "fastcgi_param %s %s;\n", p[0], p[1])
	}
	b.WriteString("server {\n")
	for _, address := range o.Listen {
		b.WriteString("\tlisten " + address + ";\n")
	}
	script := "return 403;"
	if o.PHP != nil {
		script = "if ($steelyard_kind != php) { return 403; } try_files $uri =404; fastcgi_pass unix:" + o.PHP.socket("$steelyard_user") + ";"
	}
	fmt.Fprintf(&b, `	include %[1]s/names*.list;
	access_log %[2]s steelyard_traffic if=$steelyard_user;
	access_log %[3]s/access.log steelyard if=$steelyard_user;
	open_log_file_cache max=1000 inactive=20s valid=10s min_uses=2;
	root %[4]s/$steelyard_dir;
	client_max_body_size %[5]dm;
	if ($steelyard_kind = "") { return 404; }
	if ($steelyard_kind = redirect) { return 301 http://$steelyard_target$request_uri; }
	if ($steelyard_kind = suspended) { rewrite ^ /.steelyard/suspended last; }
	location = /.steelyard/suspended { internal; default_type text/html; return 503 '%[6]s'; }
	location = /.steelyard/none { internal; return 404; }
	location = /.steelyard/closed { internal; return 403; }
	location / {
		disable_symlinks if_not_owner from=$document_root;
		index $steelyard_index index.html index.htm /.steelyard/closed;
		try_files $uri $uri/ $steelyard_front;
	}
	location ~ /\.(?!well-known/) { return 403; }
	location ~* \.(php[0-9]?|phtml|phar)$ { %[7]s }
}
`, o.nginxDir(), o.traffic(), o.Layout.LogsOf("$steelyard_user"), o.Layout.Home("$steelyard_user"), o.Body, notice, script)
	return b.String()
}

func (o *Options) nginxDir() string { return filepath.Join(o.Layout.State, "nginx") }

// traffic is the log of what all accounts are counted by.
func (o *Options) traffic() string { return filepath.Join(o.Layout.Logs, "traffic.log") }

// generation answers which files are loaded. For names that nobody here has nginx chooses the first server, ours or the operator's: such a visitor is never shown a customer's site.
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
	return "# Made by steelyard-agent: sites of hosted accounts.\ninclude " + o.nginxDir() + "/[bg]*.conf;\n"
}

// nginxTest is a configuration of the lines that shall come, and nothing else.
func (o *Options) nginxTest() string {
	return fmt.Sprintf("user %s;\npid %[2]s/test.pid;\nerror_log stderr emerg;\nevents {}\nhttp {\n\taccess_log off;\n\tmap_hash_max_size 262144;\n\tmap_hash_bucket_size 512;\n\tmap $host $steelyard { include %[2]s/next/*.conf; }\n}\n", o.Group, o.nginxDir())
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
	return o.traffic() + " " + o.Layout.Logs + `/*/*.log {
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
