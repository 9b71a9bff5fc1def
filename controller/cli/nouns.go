package cli

// kind of a field that can be set.
type kind int

const (
	textual kind = iota
	whole        // a whole number
	yes          // true or false
	list         // several texts
	ref          // a record of another noun, by name or id
	refs         // several
	points       // name=number, several
	limits       // resource=number or "none", several
	values       // property=number, "none", on, off or a word, several
	parts        // a hardware configuration
	content      // the text of a file
	secret       // the text of a file, or what is asked for; never an argument
	when         // a moment, or how long from now: 4h, 2d
)

// field is what create and edit can set. The flag is the field with dashes.
type field struct {
	name     string
	kind     kind
	of       string // ref, refs: the noun
	usage    string
	required bool // at creation
	once     bool // cannot be edited
}

// column of a table: a heading and where its value is.
type column struct {
	head, path string
	of         string // the noun whose id it is: shown by name
}

// noun is a collection of the API.
type noun struct {
	name, plural, group string
	aliases             []string
	short               string
	columns             []column
	filters             []string // fields a list can be filtered by
	refs                map[string]string
	fields              []field
	create, edit        bool // by the generic commands
	delete              bool
	hide                []string // fields that show leaves out, unless --all
	listOnly            bool     // one is shown as a part of something else
}

func (n *noun) path() string { return "/v1/" + n.plural }

func find(name string) *noun {
	for i := range nouns {
		if nouns[i].name == name {
			return &nouns[i]
		}
	}
	panic("cli: no noun " + name) // a mistake in the table below; a test walks it
}

const (
	startGroup = "start"
	fleetGroup = "fleet"
	setupGroup = "setup"
)

// nouns is the table that the commands are made from.
var nouns = []noun{
	{
		name: "server", plural: "servers", group: fleetGroup, aliases: []string{"servers", "srv"}, short: "Physical machines",
		columns: []column{
			{"NAME", "name", ""},
			{"LOCATION", "location", "location"},
			{"ENVIRONMENT", "environment", ""},
			{"APPROVAL", "approval", ""},
			{"LABEL", "label", ""},
			{"CLAIM", "claim.kind", ""},
			{"OWNER", "owner", ""},
			{"CONNECTED", "connected", ""},
			{"POWER", "power.state", ""},
			{"AVAILABLE", "available", ""},
			{"IN", "traffic.in_bytes", ""},
			{"OUT", "traffic.out_bytes", ""},
			{"MEASURED", "traffic.at", ""},
			{"ID", "id", ""},
			{"CONFIGURATION", "configuration_text", ""},
		},
		filters: []string{"location", "rack", "server_type", "environment", "approval", "label", "service", "pool", "claim", "cleanliness", "available", "sellable", "connected", "maintenance", "quarantine", "power"},
		refs:    map[string]string{"location": "location", "pool": "server-pool"},
		fields: []field{
			{name: "name", usage: "what people call it"},
			{name: "location", kind: ref, of: "location", usage: "data centre; see also: server move"},
			{name: "rack", usage: "where it stands"},
			{name: "server_type", usage: "what modules by server type compare"},
			{name: "bond_mode", usage: "how installed systems bond its cards: 802.3ad, active-backup, balance-xor, ..."},
			{name: "bond_members", kind: list, usage: "MAC addresses of the cards of the bond"},
		},
		edit: true, hide: []string{"inventory", "sample", "sample_at"},
	},
	{
		name: "order", plural: "orders", group: fleetGroup, aliases: []string{"orders"}, short: "Wishes for a server",
		columns: []column{
			{"ID", "id", ""},
			{"STATE", "state", ""},
			{"CUSTOMER", "customer", ""},
			{"TARIFF", "tariff", "tariff"},
			{"SERVER", "server", "server"},
			{"PLACED", "placed_at", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"state", "customer", "tariff", "module", "server"},
		refs:    map[string]string{"tariff": "tariff", "module": "module", "server": "server"},
	},
	{
		name: "service", plural: "services", group: fleetGroup, aliases: []string{"services"}, short: "What customers have",
		columns: []column{
			{"HOSTNAME", "hostname", ""},
			{"STATE", "state", ""},
			{"CUSTOMER", "customer", ""},
			{"SERVER", "server", "server"},
			{"SINCE", "changed_at", ""},
			{"ID", "id", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"state", "customer", "order", "server"},
		refs:    map[string]string{"server": "server"},
	},
	{
		name: "address", plural: "addresses", group: fleetGroup, aliases: []string{"addresses", "ip"}, short: "IP addresses of servers",
		columns: []column{
			{"ADDRESS", "prefix", ""},
			{"STATE", "state", ""},
			{"POOL", "pool", "pool"},
			{"SERVER", "server", "server"},
			{"CUSTOMER", "customer", ""},
			{"RDNS", "rdns", ""},
			{"SINCE", "since", ""},
			{"SERVICE", "service", ""},
		},
		filters: []string{"pool", "family", "state", "server", "service", "customer"},
		refs:    map[string]string{"pool": "pool", "server": "server"},
		fields:  []field{{name: "rdns", usage: "full name that the reverse record should have"}},
		edit:    true,
	},
	{
		name: "operation", plural: "operations", group: fleetGroup, aliases: []string{"operations", "op"}, short: "Work on servers, step by step",
		columns: []column{
			{"ID", "id", ""},
			{"KIND", "kind", ""},
			{"STATE", "state", ""},
			{"SERVER", "server", "server"},
			{"CREATED", "created_at", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"kind", "state", "server", "order", "service"},
		refs:    map[string]string{"server": "server"},
	},
	{
		name: "erasure", plural: "erasures", group: fleetGroup, aliases: []string{"erasures"}, short: "Erased disks and their certificates",
		columns: []column{
			{"AT", "at", ""},
			{"SERVER", "server", "server"},
			{"SERIAL", "serial", ""},
			{"MODEL", "model", ""},
			{"SIZE", "size_bytes", ""},
			{"PROVEN", "proven", ""},
			{"METHOD", "method", ""},
			{"ID", "id", ""},
		},
		filters: []string{"server", "operation", "serial", "proven"},
		refs:    map[string]string{"server": "server"},
		hide:    []string{"signed", "signature", "signing_key"},
	},
	{
		name: "task", plural: "tasks", group: fleetGroup, aliases: []string{"tasks"}, short: "Work that only a person can do",
		columns: []column{
			{"ID", "id", ""},
			{"STATE", "state", ""},
			{"KIND", "kind", ""},
			{"DEPARTMENT", "department", ""},
			{"ASSIGNEE", "assignee", ""},
			{"CREATED", "created_at", ""},
			{"DUE", "due_at", ""},
			{"OVERDUE", "overdue", ""},
			{"SUBJECT", "subject", ""},
		},
		filters: []string{"state", "kind", "department", "assignee", "overdue", "server", "order", "service", "operation"},
		refs:    map[string]string{"server": "server"},
		fields: []field{
			{name: "department", usage: "whose work it is", required: true},
			{name: "subject", usage: "what it is, in one line", required: true},
			{name: "body", usage: "all that is to know"},
			{name: "server", kind: ref, of: "server", usage: "which server it is about", once: true},
			{name: "due_at", kind: when, usage: "until when it should be done: a span (4h, 2d), a day or a moment"},
		},
		create: true, edit: true,
	},
	{
		name: "department", plural: "departments", group: fleetGroup, aliases: []string{"departments"}, short: "What is to do, by department",
		columns: []column{
			{"DEPARTMENT", "id", ""},
			{"OPEN", "open", ""},
			{"UNASSIGNED", "unassigned", ""},
			{"OVERDUE", "overdue", ""},
			{"MEMBERS", "members", ""},
			{"MODULES", "modules", ""},
		},
	},
	{
		name: "sale", plural: "sales", group: fleetGroup, aliases: []string{"sales"}, short: "Servers that resellers were sold",
		columns: []column{
			{"ID", "id", ""},
			{"SERVER", "server_name", ""},
			{"RESELLER", "reseller_name", ""},
			{"STATE", "state", ""},
			{"SOLD", "sold_at", ""},
			{"REVOCABLE", "revocable", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"state", "reseller", "server"},
		refs:    map[string]string{"server": "server", "reseller": "reseller"},
	},
	{
		name: "placement", plural: "placements", group: fleetGroup, aliases: []string{"placements"}, short: "What customers have on servers: accounts, forwardings, mailboxes, databases",
		columns: []column{
			{"NAME", "name", ""},
			{"KIND", "kind", ""},
			{"STATE", "state", ""},
			{"SERVER", "server", "server"},
			{"RESELLER", "reseller", "reseller"},
			{"CUSTOMER", "customer", ""},
			{"DISK MIB", "disk_mib", ""},
			{"SINCE", "created_at", ""},
			{"ID", "id", ""},
		},
		filters: []string{"server", "kind", "state", "reseller", "customer"},
		refs:    map[string]string{"server": "server"},
		fields: []field{
			{name: "kind", usage: "account, forwarding, mailbox or database", required: true},
			{name: "name", usage: "domain, address, or name of the database", required: true},
			{name: "domains", kind: list, usage: "further vhosts and subdomains of an account"},
			{name: "server", kind: ref, of: "server", usage: "server that it is on; a pool that chooses by itself gives one unless given"},
			{name: "reseller", kind: ref, of: "reseller", usage: "whose customer has it; the provider unless given"},
			{name: "customer", usage: "id of the customer"},
			{name: "disk_mib", kind: whole, usage: "disk space that is promised to it, in MiB"},
			{name: "state", usage: "making (unless given) or there"},
		},
		create: true, delete: true,
	},
	{
		name: "server-group", plural: "server-groups", group: setupGroup, aliases: []string{"server-groups"}, short: "Groups of logical servers: what those in them are for",
		columns: []column{{"NAME", "name", ""}, {"TYPES", "types", ""}, {"ID", "id", ""}},
		filters: []string{"type"},
		fields: []field{
			{name: "name", usage: "what people call it", required: true},
			{name: "types", kind: list, usage: "web, mail, mysql, dns, ftp, list", required: true},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "server-pool", plural: "server-pools", group: setupGroup, aliases: []string{"server-pools"}, short: "Pools of servers: where customers get a service from",
		columns: []column{
			{"NAME", "name", ""},
			{"SERVICE", "service", ""},
			{"POLICY", "policy", ""},
			{"AUTOMATIC", "automatic", ""},
			{"OVERSELL", "oversell", ""},
			{"ID", "id", ""},
		},
		filters: []string{"service", "policy", "automatic", "oversell"},
		fields: []field{
			{name: "name", usage: "what people call it", required: true},
			{name: "service", usage: "web, mail, mysql, dns, ftp or list", required: true},
			{name: "policy", usage: "first-fit (unless given), round-robin or least-sold"},
			{name: "members", kind: refs, of: "server", usage: "servers, in the order of first fit"},
			{name: "automatic", kind: yes, usage: "placements that name no server get one of the pool"},
			{name: "oversell", kind: yes, usage: "more disk space may be promised on a member than it has"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "location", plural: "locations", group: setupGroup, aliases: []string{"locations"}, short: "Data centres",
		columns: []column{{"NAME", "name", ""}, {"EXTERNAL ID", "external_id", ""}, {"SORT", "sort_order", ""}, {"GENERATION", "generation", ""}, {"ID", "id", ""}},
		filters: []string{"external_id"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "external_id", usage: "id in the systems around this one", required: true},
			{name: "sort_order", kind: whole, usage: "lowest first"},
			{name: "generation", usage: "backend generation that it is made for", once: true},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "pool", plural: "pools", group: setupGroup, aliases: []string{"pools"}, short: "IP pools: where servers get their addresses from",
		columns: []column{
			{"NAME", "name", ""},
			{"LOCATION", "location", "location"},
			{"PREFIX", "prefix", ""},
			{"GATEWAY", "gateway", ""},
			{"USED", "use.used", ""},
			{"RESTING", "use.resting", ""},
			{"FREE", "use.free", ""},
			{"CLOSED", "closed", ""},
			{"ID", "id", ""},
		},
		filters: []string{"location", "family"},
		refs:    map[string]string{"location": "location"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "location", kind: ref, of: "location", usage: "whose servers get its addresses", required: true, once: true},
			{name: "prefix", usage: "192.0.2.0/24 or 2001:db8::/48", required: true, once: true},
			{name: "assign_bits", kind: whole, usage: "length of what one server gets; a single address, or a /64 out of a shorter prefix of IPv6, unless given", once: true},
			{name: "gateway", usage: "never handed out; may be link-local in IPv6"},
			{name: "vlan", kind: whole, usage: "tag of its addresses in installed systems, 1 to 4094; 0 or none: untagged"},
			{name: "dns", kind: list, usage: "addresses of resolvers"},
			{name: "reserved", kind: list, usage: "never handed out: addresses, prefixes, or first-last"},
			{name: "sort_order", kind: whole, usage: "the lowest of a family is used first"},
			{name: "closed", kind: yes, usage: "hand out nothing more"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "module", plural: "modules", group: setupGroup, aliases: []string{"modules"}, short: "Processing modules: what handles the orders of a location",
		columns: []column{
			{"NAME", "name", ""},
			{"KIND", "kind", ""},
			{"LOCATION", "location", "location"},
			{"DEPARTMENT", "department", ""},
			{"SORT", "sort_order", ""},
			{"BY TYPE", "by_server_type", ""},
			{"DIAG", "diagtimeout", ""},
			{"LINUX", "installtimeout_linux", ""},
			{"WINDOWS", "installtimeout_windows", ""},
			{"ID", "id", ""},
		},
		filters: []string{"kind", "location", "department"},
		refs:    map[string]string{"location": "location"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "location", kind: ref, of: "location", usage: "whose servers it hands out", required: true},
			{name: "department", usage: "gets the build tasks", required: true},
			{name: "sort_order", kind: whole, usage: "lowest is asked first"},
			{name: "by_server_type", kind: yes, usage: "only servers of the ordered type count"},
			{name: "diagtimeout", kind: whole, usage: "minutes for diagnostics, 1 to 720", required: true},
			{name: "installtimeout_linux", kind: whole, usage: "minutes to install Linux, 1 to 720", required: true},
			{name: "installtimeout_windows", kind: whole, usage: "minutes to install Windows, 1 to 720", required: true},
			{name: "pools", kind: refs, of: "pool", usage: "where its servers get addresses from; all of the location in their order unless given"},
			{name: "weights", kind: points, usage: "points of rework that differ from the published ones: dimm_add=6"},
			{name: "kind", usage: "local: this fleet; remote: another operator's controller", once: true},
			{name: "url", usage: "remote: https:// and name or public address of the other controller"},
			{name: "username", usage: "remote: an administrator's e-mail address there"},
			{name: "password", kind: secret, usage: "remote: used once, to get a token"},
			{name: "ca", kind: content, usage: "remote: authorities of its certificate, PEM; else those of the system"},
			{name: "remote_module", usage: "remote: module there that takes the orders, where there are several"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "remote", plural: "remotes", group: setupGroup, aliases: []string{"remotes"}, short: "How things stand with the backends of remote modules",
		columns: []column{
			{"MODULE", "module", "module"},
			{"STATE", "state", ""},
			{"SINCE", "since", ""},
			{"SEEN", "seen_at", ""},
			{"GENERATION", "generation", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"state"},
	},
	{
		name: "tariff", plural: "tariffs", group: setupGroup, aliases: []string{"tariffs"}, short: "What is sold",
		columns: []column{{"NAME", "name", ""}, {"REVISION", "revision", ""}, {"RETIRED", "retired", ""}, {"SERVER TYPE", "server_type", ""}, {"ID", "id", ""}, {"CONFIGURATION", "configuration", ""}},
		filters: []string{"retired", "server_type"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "modules", kind: refs, of: "module", usage: "who process its orders", required: true},
			{name: "server_type", usage: "what modules by server type compare"},
			{name: "configuration", kind: parts},
			{name: "images", kind: refs, of: "image", usage: "that may be ordered with it; none: all"},
			{name: "retired", kind: yes, usage: "takes no new orders"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "switch", plural: "switches", group: setupGroup, aliases: []string{"switches"}, short: "Network switches that servers are plugged into",
		columns: []column{{"NAME", "name", ""}, {"LOCATION", "location", "location"}, {"DRIVER", "driver", ""}, {"ADDRESS", "address", ""}, {"VERSION", "version", ""}, {"QUARANTINE VLAN", "quarantine_vlan", ""}, {"SIMULATED", "simulated", ""}, {"ID", "id", ""}},
		filters: []string{"location", "driver"},
		refs:    map[string]string{"location": "location"},
		fields:  switchFields,
		delete:  true,
	},
	{
		name: "bmc", plural: "bmcs", group: setupGroup, aliases: []string{"bmcs"}, short: "Management controllers: how power is switched; see steelyard server bmc",
		columns:  []column{{"SERVER", "server", "server"}, {"DRIVER", "driver", ""}, {"ADDRESS", "address", ""}, {"SYSTEM", "system", ""}, {"USER", "username", ""}, {"CERTIFICATE WAITS", "pin_seen", ""}, {"SIMULATED", "simulated", ""}, {"CHANGED", "changed_at", ""}},
		filters:  []string{"driver", "pin_waiting", "allow_weak"},
		listOnly: true,
	},
	{
		name: "image", plural: "images", group: setupGroup, aliases: []string{"images"}, short: "Operating system images",
		columns: []column{{"NAME", "name", ""}, {"OS", "os_family", ""}, {"FORMAT", "format", ""}, {"SIZE", "raw_bytes", ""}, {"FILE", "file_bytes", ""}, {"RETIRED", "retired", ""}, {"ID", "id", ""}},
		filters: []string{"os_family", "retired"},
		hide:    []string{"signed_manifest", "signature"},
	},
	{
		name: "token", plural: "tokens", group: setupGroup, aliases: []string{"tokens"}, short: "Secrets of programs and of agents that join",
		columns: []column{{"NAME", "name", ""}, {"KIND", "kind", ""}, {"ROLE", "role", ""}, {"USER", "user", ""}, {"LOCATION", "location", "location"}, {"USES", "uses", ""}, {"EXPIRES", "expires_at", ""}, {"REVOKED", "revoked", ""}, {"ID", "id", ""}},
		filters: []string{"kind", "user", "location", "revoked"},
		refs:    map[string]string{"location": "location"},
	},
	{
		name: "user", plural: "users", group: setupGroup, aliases: []string{"users"}, short: "People who log in",
		columns: []column{{"NAME", "name", ""}, {"ROLE", "role", ""}, {"DEPARTMENT", "department", ""}, {"CUSTOMER", "customer", ""}, {"RESELLER", "reseller", "reseller"}, {"DISABLED", "disabled", ""}, {"ID", "id", ""}},
		filters: []string{"role", "customer", "reseller", "disabled"},
		fields: []field{
			{name: "email", usage: "where letters go, such as a link for a new password"},
			{name: "role", usage: "admin, systems, operations, marketing or department"},
			{name: "department", usage: "with role department"},
		},
		edit: true,
	},
	{
		name: "customer", plural: "customers", group: setupGroup, aliases: []string{"customers"}, short: "Organizations that have something at the provider, or at a reseller",
		columns: []column{{"NAME", "name", ""}, {"STATE", "state", ""}, {"RESELLER", "reseller", "reseller"}, {"REFERENCE", "reference", ""}, {"EMAIL", "email", ""}, {"ID", "id", ""}},
		filters: []string{"reseller", "reference", "state"},
		fields: []field{
			{name: "name", usage: "shown to people; unique among the customers of one reseller", required: true},
			{name: "company", usage: "as it is on letters"},
			{name: "email", usage: "where mails for the customer go", required: true},
			{name: "reference", usage: "what the customer's orders say as customer; the id unless given", once: true},
			{name: "reseller", kind: ref, of: "reseller", usage: "whose customer it is; none: the provider, or who asks", once: true},
		},
		create: true, edit: true,
	},
	{
		name: "reseller", plural: "resellers", group: fleetGroup, aliases: []string{"resellers"}, short: "Companies that get servers and sell what is on them",
		columns: []column{
			{"NAME", "name", ""},
			{"COMPANY", "company", ""},
			{"BELOW", "parent", "reseller"},
			{"STATE", "state", ""},
			{"SERVERS", "servers", ""},
			{"BY PLAN", "taken", ""},
			{"PLAN", "plan", "reseller-plan"},
			{"ID", "id", ""},
		},
		filters: []string{"state", "parent", "plan"},
		refs:    map[string]string{"parent": "reseller", "plan": "reseller-plan"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "company", usage: "as it is on letters", required: true},
			{name: "email", usage: "where letters for the reseller go", required: true},
			{name: "parent", kind: ref, of: "reseller", usage: "whose reseller this is; none: the provider's own", once: true},
			{name: "limits", kind: limits, usage: limitsUsage + "; servers, customers, disk and traffic that are not named are 0"},
			{name: "oversell", kind: yes, usage: oversellUsage},
		},
		create: true, edit: true,
	},
	{
		name: "reseller-plan", plural: "reseller-plans", group: fleetGroup, aliases: []string{"reseller-plans"}, short: "Plans that resellers sign up for",
		columns: []column{{"NAME", "name", ""}, {"ALLOCATED SERVER", "allocated_server", ""}, {"OVERSELL", "oversell", ""}, {"VERSION", "version", ""}, {"ID", "id", ""}},
		filters: []string{"allocated_server"},
		fields: []field{
			{name: "name", usage: "shown to people", required: true},
			{name: "allocated_server", kind: yes, usage: "who signs up gets a whole server"},
			{name: "limits", kind: limits, usage: limitsUsage + "; of what is not named the plan says nothing"},
			{name: "oversell", kind: yes, usage: oversellUsage},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "signup", plural: "signups", group: fleetGroup, aliases: []string{"signups"}, short: "Who signed up for which plan, and what became of it",
		columns: []column{
			{"ID", "id", ""},
			{"PLAN", "plan", "reseller-plan"},
			{"RESELLER", "reseller", "reseller"},
			{"STATE", "state", ""},
			{"SERVER", "server", "server"},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"plan", "state", "server"},
		refs:    map[string]string{"plan": "reseller-plan", "server": "server"},
		fields: []field{
			{name: "plan", kind: ref, of: "reseller-plan", usage: "that is wanted", required: true},
			{name: "reseller", kind: ref, of: "reseller", usage: "who wants it", required: true},
			{name: "email", usage: "where letters about it go, unless to the reseller's address"},
		},
		create: true,
	},
	{
		name: "offer", plural: "offers", group: fleetGroup, aliases: []string{"offers"}, short: "Service plans and add-ons that are sold to customers",
		columns: []column{
			{"NAME", "name", ""},
			{"KIND", "kind", ""},
			{"RESELLER", "reseller", ""},
			{"SUBSCRIPTIONS", "subscriptions", ""},
			{"DISK MIB", "values.disk_mib", ""},
			{"TRAFFIC MIB", "values.traffic_mib", ""},
			{"MAILBOXES", "values.mailboxes", ""},
			{"RETIRED", "retired", ""},
			{"VERSION", "version", ""},
			{"ID", "id", ""},
		},
		filters: []string{"kind", "reseller", "retired"},
		refs:    map[string]string{"reseller": "reseller"},
		fields: []field{
			{name: "name", usage: "letters A to Z and digits", required: true},
			{name: "kind", usage: "service (unless given) or addon", once: true},
			{name: "reseller", kind: ref, of: "reseller", usage: "who sells it; none: the provider, or who asks", once: true},
			{name: "values", kind: values, usage: valuesUsage, required: true},
			{name: "changeable", kind: list, usage: "properties that the subscriber may change: php, virus_scan, imap, shell"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "account", plural: "accounts", group: fleetGroup, aliases: []string{"accounts"}, short: "What customers have on hosting nodes: sites, mail, FTP, databases",
		columns: []column{
			{"DOMAIN", "domain", ""},
			{"STATE", "state", ""},
			{"USER", "user", ""},
			{"CUSTOMER", "owner", ""},
			{"RESELLER", "reseller", "reseller"},
			{"SERVER", "server", "server"},
			{"SINCE", "created_at", ""},
			{"ID", "id", ""},
			{"MESSAGE", "message", ""},
		},
		filters: []string{"user", "state", "reseller", "customer", "subscription", "server"},
		refs:    map[string]string{"reseller": "reseller", "server": "server", "subscription": "subscription"},
	},
	{
		name: "forward", plural: "forwards", group: fleetGroup, aliases: []string{"forwards"}, short: "Domains that lead to accounts",
		columns: []column{
			{"DOMAIN", "domain", ""},
			{"ACCOUNT", "account", "account"},
			{"REDIRECT", "redirect", ""},
			{"STATE", "state", ""},
			{"SINCE", "created_at", ""},
			{"ID", "id", ""},
		},
		filters: []string{"account", "state", "reseller", "customer", "server"},
		refs:    map[string]string{"account": "account", "reseller": "reseller", "server": "server"},
		fields: []field{
			{name: "domain", usage: "a new domain", required: true},
			{name: "account", kind: ref, of: "account", usage: "the account whose site it leads to", required: true},
			{name: "redirect", kind: yes, usage: "answer with 301; otherwise the site is shown under this name, and mail is taken for it"},
		},
		create: true,
	},
	{
		name: "subscription", plural: "subscriptions", group: fleetGroup, aliases: []string{"subscriptions"}, short: "What customers bought: a plan with add-ons, or custom",
		columns: []column{
			{"TITLE", "title", ""},
			{"CUSTOMER", "customer", ""},
			{"RESELLER", "reseller", ""},
			{"LOCKED", "locked", ""},
			{"UNSYNCED", "unsynced", ""},
			{"SUSPENDED", "suspended", ""},
			{"EXPIRES", "expires_at", ""},
			{"ID", "id", ""},
		},
		filters: []string{"offer", "reseller", "customer", "server", "locked", "unsynced", "active", "suspended", "result"},
		refs:    map[string]string{"offer": "offer", "reseller": "reseller", "server": "server"},
		fields: []field{
			{name: "name", usage: "shown to people, usually the domain", required: true},
			{name: "reseller", kind: ref, of: "reseller", usage: "whose it is; none: the provider, or who asks", once: true},
			{name: "customer", usage: "id or reference of the customer", once: true},
			{name: "plan", kind: ref, of: "offer", usage: "the service plan; none is custom", once: true},
			{name: "add_ons", kind: refs, of: "offer", usage: "add-ons", once: true},
			{name: "values", kind: values, usage: valuesUsage, once: true},
			{name: "expires_at", kind: when, usage: "when it is suspended"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "webhook", plural: "webhooks", group: setupGroup, aliases: []string{"webhooks"}, short: "Addresses that are told of events",
		columns: []column{{"NAME", "name", ""}, {"URL", "url", ""}, {"EVENTS", "events", ""}, {"DISABLED", "disabled", ""}, {"ID", "id", ""}},
		filters: []string{"disabled"},
		fields: []field{
			{name: "name", usage: "what it is for", required: true},
			{name: "url", usage: "where events are posted to", required: true},
			{name: "events", kind: list, usage: "which ones: *, task.*, service.*, operation.*, service.active, …", required: true},
			{name: "disabled", kind: yes, usage: "gets nothing"},
		},
		edit: true, delete: true,
	},
	{
		name: "mail-route", plural: "mail-routes", group: setupGroup, aliases: []string{"mail-routes"}, short: "Which events are mailed to whom",
		columns: []column{{"NAME", "name", ""}, {"EVENTS", "events", ""}, {"DEPARTMENT", "department", ""}, {"TO", "to", ""}, {"ROLE", "role", ""}, {"DISABLED", "disabled", ""}, {"ID", "id", ""}},
		filters: []string{"department", "disabled"},
		fields: []field{
			{name: "name", usage: "what it is for", required: true},
			{name: "events", kind: list, usage: "which ones: *, task.*, service.*, operation.*, task.opened, …", required: true},
			{name: "department", usage: "only events of this department, which tasks and operations have"},
			{name: "to", kind: list, usage: "addresses"},
			{name: "role", usage: "also users of this role who log in with a mail address"},
			{name: "disabled", kind: yes, usage: "mails nothing"},
		},
		create: true, edit: true, delete: true,
	},
	{
		name: "delivery", plural: "deliveries", group: setupGroup, aliases: []string{"deliveries"}, short: "Events on their way to webhooks and mail addresses",
		columns: []column{
			{"ID", "id", ""},
			{"STATE", "state", ""},
			{"EVENT", "event.type", ""},
			{"WEBHOOK", "subscriber", "webhook"},
			{"TO", "to", ""},
			{"ATTEMPTS", "attempts", ""},
			{"NEXT", "next_at", ""},
			{"ERROR", "error", ""},
		},
		filters: []string{"state", "channel", "subscriber", "type", "server"},
		refs:    map[string]string{"server": "server"},
	},
	{
		name: "audit", plural: "audit", group: setupGroup, short: "Who changed what, when and why",
		columns: []column{{"AT", "at", ""}, {"ACTOR", "actor.name", ""}, {"FOR", "actor.for", ""}, {"ACTION", "action", ""}, {"OBJECT", "object", ""}, {"REASON", "reason", ""}, {"ID", "id", ""}},
		filters: []string{"action", "object", "actor"},
	},
}
