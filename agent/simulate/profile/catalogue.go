package profile

// A maker sells chassis of some generations.
type maker struct {
	weight   int
	name     string
	firmware string
	models   []model
}

// model is one product; its generation chooses processors and memory.
type model struct {
	weight     int
	product    string
	board      string
	generation int
	sockets    int
}

var makers = []maker{
	{32, "Supermicro", "American Megatrends Inc.", []model{
		{6, "Super Server", "X10DRi", 3, 2},
		{4, "SYS-1029P-WTR", "X11DDW-L", 4, 2},
		{3, "X9DRW", "X9DRW", 2, 2},
		{3, "SYS-5019S-MR", "X11SSH-F", 6, 1},
		{4, "AS -1014S-WTRT", "H12SSW-NT", 5, 1},
		{3, "SYS-120U-TNR", "X12DPU-6", 7, 2},
	}},
	{28, "Dell Inc.", "Dell Inc.", []model{
		{3, "PowerEdge R610", "0F0XJ6", 1, 2},
		{4, "PowerEdge R720", "0DCWD1", 2, 2},
		{6, "PowerEdge R630", "0CNCJW", 3, 2},
		{5, "PowerEdge R640", "0W23H8", 4, 2},
		{4, "PowerEdge R6515", "04F3CJ", 5, 1},
		{3, "PowerEdge R650", "0PYXKY", 7, 2},
	}},
	{22, "HPE", "HPE", []model{
		{3, "ProLiant DL360 G7", "", 1, 2},
		{4, "ProLiant DL380p Gen8", "", 2, 2},
		{7, "ProLiant DL360 Gen9", "ProLiant DL360 Gen9", 3, 2},
		{5, "ProLiant DL380 Gen10", "ProLiant DL380 Gen10", 4, 2},
		{3, "ProLiant DL325 Gen10 Plus", "ProLiant DL325 Gen10 Plus", 5, 1},
	}},
	{8, "ASRockRack", "American Megatrends International, LLC.", []model{
		{4, "1U4LW-X570", "X570D4U-2L2T", 8, 1}, {4, "ROMED8-2T", "ROMED8-2T", 5, 1}, {3, "E3C246D4U", "E3C246D4U", 6, 1},
	}},
	{6, "Intel Corporation", "Intel Corporation", []model{{3, "S2600WTT", "S2600WTT", 3, 2}, {3, "S1200SP", "S1200SP", 6, 1}}},
	{4, "Ampere", "Ampere(R)", []model{{1, "Mt. Snow", "Mt. Snow", 9, 1}}},
}

// generation says what fits into a chassis.
type generation struct {
	year    int
	memory  string
	speed   int // MT/s
	slots   int // for DIMMs, per socket
	dimmGiB []int
	cpus    []processor
	ports   []port
	disks   []layout
}

type processor struct {
	weight  int
	name    string
	arch    string
	cores   int
	threads int
	base    int // MHz
	boost   int // MHz
}

type port struct {
	weight int
	model  string
	driver string
	count  int
	mbps   int
}

// layout is one way to fill the bays.
type layout struct {
	weight int
	groups []bays
}

type bays struct {
	count, of int // count … of disks
	kind      string
	gb        []uint64
}

// Kinds of disks.
const (
	hdd  = "hdd"
	sas  = "sas"
	ssd  = "ssd"
	nvme = "nvme"
)

var (
	gigabit = []port{{6, "I350 Gigabit Network Connection", "igb", 2, 1000}, {3, "NetXtreme BCM5720 Gigabit Ethernet PCIe", "tg3", 4, 1000}, {2, "I210 Gigabit Network Connection", "igb", 2, 1000}}
	tenGig  = []port{{5, "82599ES 10-Gigabit SFI/SFP+ Network Connection", "ixgbe", 2, 10_000}, {4, "Ethernet Controller X710 for 10GbE SFP+", "i40e", 2, 10_000}, {2, "Ethernet Controller 10-Gigabit X540-AT2", "ixgbe", 2, 10_000}}
	fast    = []port{{4, "MT27800 Family [ConnectX-5]", "mlx5_core", 2, 25_000}, {3, "BCM57414 NetXtreme-E 10Gb/25Gb RDMA Ethernet Controller", "bnxt_en", 2, 25_000}, {1, "MT28800 Family [ConnectX-5 Ex]", "mlx5_core", 2, 100_000}}

	oldDisks = []layout{
		{5, []bays{{2, 2, hdd, []uint64{500, 1000, 2000}}}},
		{3, []bays{{2, 6, sas, []uint64{146, 300, 600}}}},
		{2, []bays{{4, 4, hdd, []uint64{2000, 3000, 4000}}}},
		{2, []bays{{2, 2, ssd, []uint64{240, 480}}}},
	}
	midDisks = []layout{
		{6, []bays{{2, 2, ssd, []uint64{240, 480, 960}}}},
		{4, []bays{{2, 2, ssd, []uint64{240, 480}}, {2, 4, hdd, []uint64{4000, 6000, 8000}}}},
		{3, []bays{{4, 8, sas, []uint64{600, 1200, 1800}}}},
		{3, []bays{{4, 8, ssd, []uint64{960, 1920}}}},
		{2, []bays{{12, 12, hdd, []uint64{8000, 12_000}}, {2, 2, ssd, []uint64{480}}}},
	}
	newDisks = []layout{
		{6, []bays{{2, 2, nvme, []uint64{960, 1920, 3840}}}},
		{4, []bays{{2, 2, ssd, []uint64{480, 960}}, {2, 8, nvme, []uint64{1920, 3840, 7680}}}},
		{3, []bays{{2, 2, nvme, []uint64{480, 960}}, {4, 12, hdd, []uint64{12_000, 16_000, 18_000}}}},
		{2, []bays{{4, 4, ssd, []uint64{1920, 3840}}}},
	}
)

const (
	x86 = "x86_64"
	arm = "aarch64"
)

var generations = map[int]generation{
	1: {2010, "DDR3", 1333, 6, []int{4, 8, 16}, []processor{
		{5, "Intel(R) Xeon(R) CPU X5650 @ 2.67GHz", x86, 6, 12, 2670, 3060}, {4, "Intel(R) Xeon(R) CPU X5670 @ 2.93GHz", x86, 6, 12, 2930, 3330}, {3, "Intel(R) Xeon(R) CPU E5620 @ 2.40GHz", x86, 4, 8, 2400, 2670},
	}, gigabit, oldDisks},
	2: {2013, "DDR3", 1600, 8, []int{8, 16}, []processor{
		{5, "Intel(R) Xeon(R) CPU E5-2680 v2 @ 2.80GHz", x86, 10, 20, 2800, 3600}, {4, "Intel(R) Xeon(R) CPU E5-2620 v2 @ 2.10GHz", x86, 6, 12, 2100, 2600}, {2, "Intel(R) Xeon(R) CPU E5-2650 v2 @ 2.60GHz", x86, 8, 16, 2600, 3400},
	}, append(gigabit[:2:2], tenGig[0]), oldDisks},
	3: {2016, "DDR4", 2400, 8, []int{16, 32}, []processor{
		{6, "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", x86, 14, 28, 2400, 3300}, {4, "Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz", x86, 10, 20, 2200, 3100}, {3, "Intel(R) Xeon(R) CPU E5-2620 v4 @ 2.10GHz", x86, 8, 16, 2100, 3000}, {2, "Intel(R) Xeon(R) CPU E5-2667 v4 @ 3.20GHz", x86, 8, 16, 3200, 3600},
	}, append(gigabit[:2:2], tenGig...), midDisks},
	4: {2019, "DDR4", 2666, 8, []int{16, 32, 64}, []processor{
		{5, "Intel(R) Xeon(R) Silver 4208 CPU @ 2.10GHz", x86, 8, 16, 2100, 3200}, {4, "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz", x86, 10, 20, 2200, 3000}, {3, "Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz", x86, 16, 32, 2900, 3900}, {3, "Intel(R) Xeon(R) Silver 4214 CPU @ 2.20GHz", x86, 12, 24, 2200, 3200},
	}, tenGig, midDisks},
	5: {2020, "DDR4", 3200, 8, []int{16, 32, 64}, []processor{
		{5, "AMD EPYC 7302P 16-Core Processor", x86, 16, 32, 3000, 3300}, {3, "AMD EPYC 7402P 24-Core Processor", x86, 24, 48, 2800, 3350}, {2, "AMD EPYC 7702P 64-Core Processor", x86, 64, 128, 2000, 3350}, {2, "AMD EPYC 7443P 24-Core Processor", x86, 24, 48, 2850, 4000},
	}, append(tenGig[:2:2], fast[:2]...), newDisks},
	6: {2018, "DDR4", 2666, 4, []int{8, 16}, []processor{
		{5, "Intel(R) Xeon(R) E-2136 CPU @ 3.30GHz", x86, 6, 12, 3300, 4500}, {4, "Intel(R) Xeon(R) CPU E3-1220 v5 @ 3.00GHz", x86, 4, 4, 3000, 3500}, {3, "Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", x86, 8, 16, 3700, 5000},
	}, gigabit, append(oldDisks[:1:1], midDisks[0], newDisks[0])},
	7: {2022, "DDR4", 3200, 8, []int{32, 64}, []processor{
		{5, "Intel(R) Xeon(R) Silver 4310 CPU @ 2.10GHz", x86, 12, 24, 2100, 3300}, {3, "Intel(R) Xeon(R) Gold 6326 CPU @ 2.90GHz", x86, 16, 32, 2900, 3500}, {2, "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", x86, 32, 64, 2000, 3200},
	}, fast, newDisks},
	8: {2021, "DDR4", 3200, 4, []int{16, 32}, []processor{
		{5, "AMD Ryzen 9 5950X 16-Core Processor", x86, 16, 32, 3400, 4900}, {4, "AMD Ryzen 7 5800X 8-Core Processor", x86, 8, 16, 3800, 4700},
	}, append(gigabit[2:3:3], tenGig[2]), newDisks[:1]},
	9: {2022, "DDR4", 3200, 8, []int{32, 64}, []processor{
		{1, "Ampere(R) Altra(R) Processor Q80-30", arm, 80, 80, 3000, 3000},
	}, fast, newDisks[:2]},
}

// diskModels by kind; %d is the size in GB.
var diskModels = map[string][]struct{ vendor, model string }{
	hdd:  {{"Seagate", "ST%dNM0055"}, {"WDC", "WD%dFYYZ"}, {"Toshiba", "MG%dACA"}},
	sas:  {{"Seagate", "ST%dMM0009"}, {"HGST", "HUC%dCSS200"}},
	ssd:  {{"Samsung", "SAMSUNG MZ7L3%dHCJR"}, {"Intel", "INTEL SSDSC2KB%dG8"}, {"Micron", "Micron_5300_MTFDDAK%dTDS"}},
	nvme: {{"Samsung", "SAMSUNG MZQL2%dHCJR"}, {"Intel", "INTEL SSDPE2KX%dT8"}, {"Micron", "Micron_7450_MTFDKBG%dTFR"}},
}

var dimmVendors = []string{"Samsung", "SK Hynix", "Micron", "Kingston"}
