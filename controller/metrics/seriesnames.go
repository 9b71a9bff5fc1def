package metrics

import (
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/metrics/series"
)

// Labels that tell the series of one row apart. Directions are the server's, or the account's: in is what came to it.
var (
	inOut   = []string{series.Label("direction", "in"), series.Label("direction", "out")}
	sources = pairs("source", []string{usage.SourceSwitch, usage.SourceAgent})
	stored  = []string{series.Label("class", "home"), series.Label("class", "www"), series.Label("class", "mail"), series.Label("class", "databases")}
	sent    = pairs("class", []string{"www", "ftp", "mail"})
	limits  = []string{series.Label("limit", "storage"), series.Label("limit", "traffic")}
)

// pairs are labels of each value with both directions.
func pairs(name string, values []string) (list []string) {
	for _, v := range values {
		for _, d := range inOut {
			list = append(list, series.Label(name, v)+","+d)
		}
	}
	return list
}

// one is a metric with one series a row.
func one(name, kind, help string, each ...string) series.Metric {
	return series.Metric{Name: name, Kind: kind, Help: help, Each: each}
}

// What /metrics/servers shows, by what has the labels.
var (
	serverInfo   = series.NewLayout(one("steelyard_server_info", series.Gauge, "Always 1; the labels tell where the server is and whose."))
	serverLayout = series.NewLayout(
		one("steelyard_server_connected", series.Gauge, "1 while an agent of the server has a session at any replica, else 0."),
		one("steelyard_server_available", series.Gauge, "1 if the server can be given to somebody, else 0."),
		one("steelyard_server_memory_bytes", series.Gauge, "Memory of the server."),
		one("steelyard_server_memory_available_bytes", series.Gauge, "Memory that programs could have."),
		one("steelyard_server_sample_timestamp_seconds", series.Gauge, "When the agent told memory, file systems and interfaces."),
		one("steelyard_server_traffic_bytes_total", series.Counter, "What the server received and sent, by whose counters tell it: of the switch's ports, or of its interfaces; it goes on over restarts.", sources...),
		one("steelyard_server_traffic_measured_timestamp_seconds", series.Gauge, "Until when the server's traffic is counted."),
		one("steelyard_server_traffic_gaps_total", series.Counter, "How often the server's traffic may have been more than was counted."),
		one("steelyard_server_traffic_month_bytes", series.Gauge, "What the server received and sent in the running month.", inOut...),
		one("steelyard_server_traffic_month_p95_bytes_per_second", series.Gauge, "95th percentile of the quarter-hours of the running month; 8 times that is bits per second.", inOut...),
		one("steelyard_server_traffic_month_gap", series.Gauge, "1 if something of the running month was not counted, else 0."),
	)
	filesystemLayout = series.NewLayout(
		one("steelyard_server_filesystem_size_bytes", series.Gauge, "Size of a file system of the server."),
		one("steelyard_server_filesystem_free_bytes", series.Gauge, "Free space of a file system of the server."),
		one("steelyard_server_filesystem_inodes", series.Gauge, "Inodes of a file system of the server."),
		one("steelyard_server_filesystem_inodes_free", series.Gauge, "Free inodes of a file system of the server."),
	)
	diskLayout = series.NewLayout(
		one("steelyard_server_disk_healthy", series.Gauge, "1 if the disk says that it is well (SMART), else 0."),
		series.Metric{Name: "steelyard_server_disk_wear_ratio", Kind: series.Gauge, Help: "How much of its endurance the disk has used; 1 is all.", Thousandths: true},
		one("steelyard_server_disk_reallocated_sectors", series.Gauge, "Sectors that the disk replaced."),
		one("steelyard_server_disk_pending_sectors", series.Gauge, "Sectors that the disk cannot read at present."),
		one("steelyard_server_disk_media_errors", series.Gauge, "Errors of the medium that the disk counted."),
	)
	interfaceLayout = series.NewLayout(
		one("steelyard_server_interface_bytes_total", series.Counter, "What an interface of the server received and sent since the system started.", inOut...),
	)
)

// What /metrics/accounts shows.
var (
	accountInfo   = series.NewLayout(one("steelyard_account_info", series.Gauge, "Always 1; the labels tell whose the account is and where."))
	accountLayout = series.NewLayout(
		one("steelyard_account_storage_bytes", series.Gauge, "What the account takes of the disk, by class; classes do not overlap.", stored...),
		one("steelyard_account_storage_limit_bytes", series.Gauge, "What the account may take of the disk; absent where there is no limit."),
		one("steelyard_account_storage_measured_timestamp_seconds", series.Gauge, "When the account's disk space was measured."),
		one("steelyard_account_traffic_bytes_total", series.Counter, "What the account received and sent in the running month, by class; it begins anew with each month.", sent...),
		one("steelyard_account_traffic_limit_bytes", series.Gauge, "What the account may transfer in a month; absent where there is no limit."),
		one("steelyard_account_traffic_measured_timestamp_seconds", series.Gauge, "Until when the account's traffic is counted."),
		one("steelyard_account_traffic_gap", series.Gauge, "1 if something of the running month was not counted, else 0."),
		one("steelyard_account_over_limit", series.Gauge, "1 if the account has more than its limit, strictly, else 0.", limits...),
	)
)

var (
	serverConnected  = serverLayout.Column("steelyard_server_connected")
	serverAvailable  = serverLayout.Column("steelyard_server_available")
	serverMemory     = serverLayout.Column("steelyard_server_memory_bytes")
	serverMemoryFree = serverLayout.Column("steelyard_server_memory_available_bytes")
	serverSampled    = serverLayout.Column("steelyard_server_sample_timestamp_seconds")
	serverTraffic    = serverLayout.Column("steelyard_server_traffic_bytes_total")
	serverTrafficAt  = serverLayout.Column("steelyard_server_traffic_measured_timestamp_seconds")
	serverGaps       = serverLayout.Column("steelyard_server_traffic_gaps_total")
	serverMonth      = serverLayout.Column("steelyard_server_traffic_month_bytes")
	serverP95        = serverLayout.Column("steelyard_server_traffic_month_p95_bytes_per_second")
	serverMonthGap   = serverLayout.Column("steelyard_server_traffic_month_gap")

	filesystemSize       = filesystemLayout.Column("steelyard_server_filesystem_size_bytes")
	filesystemFree       = filesystemLayout.Column("steelyard_server_filesystem_free_bytes")
	filesystemInodes     = filesystemLayout.Column("steelyard_server_filesystem_inodes")
	filesystemInodesFree = filesystemLayout.Column("steelyard_server_filesystem_inodes_free")

	diskHealthy     = diskLayout.Column("steelyard_server_disk_healthy")
	diskWear        = diskLayout.Column("steelyard_server_disk_wear_ratio")
	diskReallocated = diskLayout.Column("steelyard_server_disk_reallocated_sectors")
	diskPending     = diskLayout.Column("steelyard_server_disk_pending_sectors")
	diskErrors      = diskLayout.Column("steelyard_server_disk_media_errors")

	accountStorage      = accountLayout.Column("steelyard_account_storage_bytes")
	accountStorageLimit = accountLayout.Column("steelyard_account_storage_limit_bytes")
	accountStorageAt    = accountLayout.Column("steelyard_account_storage_measured_timestamp_seconds")
	accountTraffic      = accountLayout.Column("steelyard_account_traffic_bytes_total")
	accountTrafficLimit = accountLayout.Column("steelyard_account_traffic_limit_bytes")
	accountTrafficAt    = accountLayout.Column("steelyard_account_traffic_measured_timestamp_seconds")
	accountGap          = accountLayout.Column("steelyard_account_traffic_gap")
	accountOver         = accountLayout.Column("steelyard_account_over_limit")
)
