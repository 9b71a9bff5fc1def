package metrics

import "github.com/prometheus/client_golang/prometheus"

// MaxValues bounds the combinations of label values of one metric that is filled
// with values from elsewhere.
const MaxValues = 100

// desc makes one metric; the order of its labels is the order in which values are given.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Standing figures, read at each scrape.
var (
	servers     = desc("steelyard_servers", "Servers by approval, kind of claim, and whether they can be given to somebody.", "approval", "claim", "available")
	byLabel     = desc("steelyard_servers_by_label", "Servers by their label for resellers: free, unassigned, in use, cleanup required, held, available, taken, sold, dedicated.", "label")
	unavailable = desc("steelyard_servers_unavailable", "Servers for which a condition of availability does not hold, by rule; a server may count for several.", "rule")
	overridden  = desc("steelyard_servers_overridden", "Servers whose failed checks an operator accepted.")
	present     = desc("steelyard_servers_connected", "Servers with an agent session at any replica.")
	orders      = desc("steelyard_orders", "Orders by state.", "state")
	services    = desc("steelyard_services", "Services by state.", "state")
	operations  = desc("steelyard_operations", "Operations that are kept, by kind and state.", "kind", "state")
	tasks       = desc("steelyard_tasks_open", "Open tasks by kind and department.", "kind", "department")
	addresses   = desc("steelyard_pool_addresses", "Addresses, or prefixes, of the IP pools, by whether they are used, rest after a release, or are free.", "pool", "family", "state")
	classes     = desc("steelyard_catalogue_classes", "Different configurations among available servers.")
	sessions    = desc("steelyard_sessions", "Agent sessions at this replica.")
	handshakes  = desc("steelyard_handshakes_total", "TLS handshakes with agents that succeeded.")
	resumed     = desc("steelyard_handshakes_resumed_total", "TLS handshakes that resumed an earlier session.")
	refused     = desc("steelyard_connections_refused_total", "Connections of agents that were refused, by reason.", "reason")
	badFrames   = desc("steelyard_bad_frames_total", "Frames that ended their session, by reason.", "reason")
	enrolments  = desc("steelyard_enrolments_total", "Machines that enrolled.")
	lost        = desc("steelyard_sessions_lost_total", "Sessions that ended because heartbeats stayed away.")
	agentBytes  = desc("steelyard_agent_bytes_total", "Bytes exchanged with agents.", "direction")
	reports     = desc("steelyard_reports_total", "Inventory reports that agents sent.")

	viewRevision = desc("steelyard_view_revision", "Revision of the store that lists and metrics answer from.")
	viewLag      = desc("steelyard_view_lag_revisions", "Revisions between the newest own commit and the view.")
	viewStale    = desc("steelyard_view_stale_seconds", "For how long the view has not been fed; 0 while it is.")
	commits      = desc("steelyard_store_commits_total", "Transactions committed to the store.")
	changes      = desc("steelyard_store_changes_total", "Changes that were committed; several may share one transaction.")
	conflicts    = desc("steelyard_store_conflicts_total", "Changes that found their input changed.")
	retries      = desc("steelyard_store_retries_total", "Changes that were decided again after a conflict.")
	leader       = desc("steelyard_leader", "1 while this replica moves lifecycles, else 0.")
	etcdUp       = desc("steelyard_etcd_up", "1 if etcd answered for its size during this scrape, else 0.")
	etcdSize     = desc("steelyard_etcd_database_bytes", "Size of etcd's database file.")
	etcdInUse    = desc("steelyard_etcd_database_in_use_bytes", "Bytes of the database that hold data; the rest is freed by defragmentation.")
	etcdQuota    = desc("steelyard_etcd_database_quota_bytes", "Size at which etcd stops accepting writes.")
	attempts     = desc("steelyard_notify_attempts_total", "Attempts of this replica to tell receivers of events, by channel and outcome: delivered, failed (tried again) or dead (given up).", "channel", "outcome")
	pending      = desc("steelyard_notify_pending", "Deliveries of events that wait, by channel.", "channel")
	dead         = desc("steelyard_notify_dead", "Deliveries of events that were given up and are kept, by channel.", "channel")
	outbox       = desc("steelyard_notify_outbox_events", "Events that were not handed out to receivers yet.")
	oldest       = desc("steelyard_notify_oldest_seconds", "Age of the oldest delivery that waits; 0 without one.")
	boots        = desc("steelyard_netboot_boots_total", "Answers to machines that start from the network, by what they got: ram, disk or refused.", "boot")
	bootTokens   = desc("steelyard_netboot_tokens_total", "Boot tokens made, one for each answer that was the RAM environment.")
	dnsmasq      = desc("steelyard_netboot_dnsmasq_restarts_total", "How often dnsmasq ended and was started again.")
	build        = desc("steelyard_build_info", "Always 1; the labels tell the build.", "version", "go_version")
)

// Every standing figure; Describe sends them.
var standing = []*prometheus.Desc{
	servers, byLabel, unavailable, overridden, present, orders, services, operations, tasks, addresses, classes,
	sessions, handshakes, resumed, refused, badFrames, enrolments, lost, agentBytes, reports,
	viewRevision, viewLag, viewStale, commits, changes, conflicts, retries, leader,
	etcdUp, etcdSize, etcdInUse, etcdQuota, attempts, pending, dead, outbox, oldest, boots, bootTokens, dnsmasq, build,
}

// Names of what is observed as it happens.
const (
	nameRequest   = "steelyard_api_request_duration_seconds"
	nameOperation = "steelyard_operation_duration_seconds"
	nameMatch     = "steelyard_match_duration_seconds"
	nameFulfilled = "steelyard_order_fulfilment_seconds"
	nameBatch     = "steelyard_store_batch_changes"
	nameRemote    = "steelyard_remote_requests_total"
	nameCommit    = "steelyard_store_commit_duration_seconds"
)

var (
	requestBuckets   = []float64{.001, .005, .02, .1, .5, 2, 10}
	operationBuckets = []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 48 * 3600}
	matchBuckets     = []float64{1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 1e-3, 1e-2, .1}
	batchBuckets     = []float64{1, 2, 4, 8, 16, 32, 64, 128}
	commitBuckets    = []float64{.0005, .001, .002, .005, .01, .05, .2, 1, 5}
)
