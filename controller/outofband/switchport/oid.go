package switchport

// What is asked for; see the RFCs in the package's description.
const (
	sysUpTime = ".1.3.6.1.2.1.1.3.0"

	ifTable       = ".1.3.6.1.2.1.2.2.1"
	ifDescr       = ifTable + ".2"
	ifSpeed       = ifTable + ".5"
	ifPhysAddress = ifTable + ".6"
	ifAdminStatus = ifTable + ".7"
	ifOperStatus  = ifTable + ".8"
	ifInOctets    = ifTable + ".10"
	ifOutOctets   = ifTable + ".16"

	ifXTable                   = ".1.3.6.1.2.1.31.1.1.1"
	ifName                     = ifXTable + ".1"
	ifHCInOctets               = ifXTable + ".6"
	ifHCOutOctets              = ifXTable + ".10"
	ifHighSpeed                = ifXTable + ".15"
	ifAlias                    = ifXTable + ".18"
	ifCounterDiscontinuityTime = ifXTable + ".19"

	dot1dBasePortIfIndex = ".1.3.6.1.2.1.17.1.4.1.2"
	dot1dTpFdbPort       = ".1.3.6.1.2.1.17.4.3.1.2"

	dot1qTpFdbPort               = ".1.3.6.1.2.1.17.7.1.2.2.1.2"
	dot1qVlanStaticEgressPorts   = ".1.3.6.1.2.1.17.7.1.4.3.1.2"
	dot1qVlanStaticUntaggedPorts = ".1.3.6.1.2.1.17.7.1.4.3.1.4"
	dot1qPvid                    = ".1.3.6.1.2.1.17.7.1.4.5.1.1"

	lldpLocPortIDSubtype    = ".1.0.8802.1.1.2.1.3.7.1.2"
	lldpLocPortID           = ".1.0.8802.1.1.2.1.3.7.1.3"
	lldpRemTable            = ".1.0.8802.1.1.2.1.4.1.1"
	lldpRemChassisIDSubtype = lldpRemTable + ".4"
	lldpRemChassisID        = lldpRemTable + ".5"
	lldpRemPortIDSubtype    = lldpRemTable + ".6"
	lldpRemPortID           = lldpRemTable + ".7"
	lldpRemSysName          = lldpRemTable + ".9"
	lldpRemSysCapEnabled    = lldpRemTable + ".12"
)
