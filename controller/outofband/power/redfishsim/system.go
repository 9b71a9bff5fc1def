package redfishsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
)

// What is offered.
var (
	resetTypes = []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "GracefulRestart"}
	targets    = []string{"None", "Pxe", "Hdd"}
	enableds   = []string{"Disabled", "Once", "Continuous"}
	modes      = []string{"Legacy", "UEFI"}
)

const maxEvents = 64

// part answers for one system, its chassis or its manager.
func (s *Service) part(w http.ResponseWriter, r *http.Request, sys *system, kind, rest string) {
	base := root + "/" + kind + "/" + sys.ID
	switch kind + "/" + rest {
	case "Systems/":
		s.computer(w, r, sys, base)
	case "Systems/Actions/ComputerSystem.Reset":
		s.reset(w, r, sys)
	case "Systems/LogServices":
		s.show(w, r, listOf(base+"/LogServices", "LogService", []object{link(base + "/LogServices/Log")}))
	case "Systems/LogServices/Log":
		s.show(w, r, object{
			"@odata.id": base + "/LogServices/Log", "@odata.type": "#LogService.v1_3_1.LogService", "Id": "Log", "Name": "Event Log",
			"MaxNumberOfRecords": maxEvents, "OverWritePolicy": "WrapsWhenFull", "Entries": link(base + "/LogServices/Log/Entries"),
		})
	case "Systems/LogServices/Log/Entries":
		s.show(w, r, listOf(base+"/LogServices/Log/Entries", "LogEntry", sys.entries(base)))
	case "Chassis/":
		s.show(w, r, sys.chassis(base))
	case "Chassis/Thermal":
		s.show(w, r, sys.thermal(base))
	case "Chassis/Power":
		s.show(w, r, sys.power(base))
	case "Managers/":
		s.show(w, r, sys.manager(base))
	case "Managers/EthernetInterfaces":
		s.show(w, r, listOf(base+"/EthernetInterfaces", "EthernetInterface", []object{link(base + "/EthernetInterfaces/1")}))
	case "Managers/EthernetInterfaces/1":
		s.show(w, r, object{
			"@odata.id": base + "/EthernetInterfaces/1", "@odata.type": "#EthernetInterface.v1_9_0.EthernetInterface", "Id": "1",
			"Name": "Manager Port", "MACAddress": sys.MAC, "Status": healthy,
		})
	default:
		missing(w, r.URL.Path)
	}
}

var healthy = object{"State": "Enabled", "Health": "OK"}

func (s *Service) computer(w http.ResponseWriter, r *http.Request, sys *system, base string) {
	o := sys.computer(base)
	if r.Method != http.MethodPatch {
		s.show(w, r, o)
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != "*" && match != etag(o) {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "The ETag supplied did not match the ETag required to change this resource.")
		return
	}
	body, ok := decode(w, r)
	if !ok {
		return
	}
	next, complaint := patched(sys.boot, body)
	if complaint != "" {
		refuse(w, http.StatusBadRequest, "PropertyValueNotInList", complaint)
		return
	}
	sys.boot = next
	o = sys.computer(base)
	w.Header().Set("ETag", etag(o))
	write(w, http.StatusOK, o)
}

// patched is the override after a PATCH, or what is wrong with it.
func patched(b boot, body map[string]json.RawMessage) (next boot, complaint string) {
	for name := range body {
		if name != "Boot" {
			return b, fmt.Sprintf("The property %s is a read only property and cannot be assigned a value.", name)
		}
	}
	var fields map[string]string
	if err := json.Unmarshal(body["Boot"], &fields); err != nil || len(fields) == 0 {
		return b, "The property Boot is missing or not an object of strings."
	}
	for name, value := range fields {
		property := map[string]struct {
			to      *string
			allowed []string
		}{
			"BootSourceOverrideEnabled": {&b.Enabled, enableds},
			"BootSourceOverrideTarget":  {&b.Target, targets},
			"BootSourceOverrideMode":    {&b.Mode, modes},
		}[name]
		if !slices.Contains(property.allowed, value) {
			return b, fmt.Sprintf("The value '%s' for the property %s is not in the list of acceptable values.", value, name)
		}
		*property.to = value
	}
	return b, ""
}

// reset is the action of power.
func (s *Service) reset(w http.ResponseWriter, r *http.Request, sys *system) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "OperationNotAllowed", "The HTTP method is not allowed on this resource.")
		return
	}
	body, ok := decode(w, r)
	if !ok {
		return
	}
	var kind string
	_ = json.Unmarshal(body["ResetType"], &kind)
	if !slices.Contains(resetTypes, kind) {
		refuse(w, http.StatusBadRequest, "ActionParameterValueNotInList", fmt.Sprintf("The value '%s' for the parameter ResetType in the action Reset is not in the list of acceptable values.", kind))
		return
	}
	sys.log("Reset by request: " + kind)
	sys.act(kind)
	w.WriteHeader(http.StatusNoContent)
}

// act switches the machine. A restart is a stop that a start overtakes.
func (sys *system) act(kind string) {
	switch kind {
	case "On":
		sys.start()
	case "ForceOff", "GracefulShutdown":
		sys.Machine.Stop(kind == "GracefulShutdown")
	case "ForceRestart", "GracefulRestart":
		sys.Machine.Stop(kind == "GracefulRestart")
		sys.start()
	}
}

// start spends the boot override.
func (sys *system) start() {
	if p := sys.Machine.Power(); p == machine.On || p == machine.Starting {
		return
	}
	from := machine.Disk
	if sys.boot.Enabled != "Disabled" && sys.boot.Target == "Pxe" {
		from = machine.Network
	}
	if sys.boot.Enabled == "Once" {
		sys.boot.Enabled, sys.boot.Target = "Disabled", "None"
	}
	sys.Machine.Start(from)
}

func (sys *system) log(message string) {
	id := 1
	if n := len(sys.events); n > 0 {
		id = sys.events[n-1].ID + 1
	}
	if len(sys.events) == maxEvents {
		sys.events = slices.Delete(sys.events, 0, 1)
	}
	sys.events = append(sys.events, event{ID: id, At: time.Now().UTC(), Message: message})
}

func (sys *system) powerState() string {
	return map[string]string{machine.On: "On", machine.Off: "Off", machine.Starting: "PoweringOn", machine.Stopping: "PoweringOff"}[sys.Machine.Power()]
}

func (sys *system) computer(base string) object {
	return object{
		"@odata.id": base, "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem", "Id": sys.ID, "Name": sys.ID,
		"Manufacturer": Vendor, "Model": sys.Model, "SerialNumber": sys.SerialNumber, "UUID": strings.ToLower(sys.UUID),
		"SystemType": "Physical", "PowerState": sys.powerState(), "Status": healthy,
		"Boot": object{
			"BootSourceOverrideEnabled": sys.boot.Enabled, "BootSourceOverrideTarget": sys.boot.Target, "BootSourceOverrideMode": sys.boot.Mode,
			"BootSourceOverrideEnabled@Redfish.AllowableValues": enableds, "BootSourceOverrideTarget@Redfish.AllowableValues": targets,
			"BootSourceOverrideMode@Redfish.AllowableValues": modes,
		},
		"LogServices": link(base + "/LogServices"),
		"Links": object{
			"Chassis": []object{link(root + "/Chassis/" + sys.ID)}, "ManagedBy": []object{link(root + "/Managers/" + sys.ID)},
		},
		"Actions": object{"#ComputerSystem.Reset": object{
			"target": base + "/Actions/ComputerSystem.Reset", "ResetType@Redfish.AllowableValues": resetTypes,
		}},
	}
}

func (sys *system) chassis(base string) object {
	return object{
		"@odata.id": base, "@odata.type": "#Chassis.v1_22_0.Chassis", "Id": sys.ID, "Name": sys.ID, "ChassisType": "RackMount",
		"Manufacturer": Vendor, "Model": sys.Model, "SerialNumber": sys.SerialNumber, "PowerState": sys.powerState(), "Status": healthy,
		"Thermal": link(base + "/Thermal"), "Power": link(base + "/Power"),
		"Links": object{
			"ComputerSystems": []object{link(root + "/Systems/" + sys.ID)}, "ManagedBy": []object{link(root + "/Managers/" + sys.ID)},
		},
	}
}

func (sys *system) manager(base string) object {
	return object{
		"@odata.id": base, "@odata.type": "#Manager.v1_18_0.Manager", "Id": sys.ID, "Name": "Manager of " + sys.ID, "ManagerType": "BMC",
		"FirmwareVersion": sys.Firmware, "Status": healthy, "EthernetInterfaces": link(base + "/EthernetInterfaces"),
		"Links": object{
			"ManagerForServers": []object{link(root + "/Systems/" + sys.ID)}, "ManagerForChassis": []object{link(root + "/Chassis/" + sys.ID)},
		},
	}
}

// figures of a machine that runs, and of one that does not.
func (sys *system) figures() (celsius, rpm, watts int) {
	if sys.Machine.Power() == machine.On {
		return 48, 6400, 142
	}
	return 23, 0, 6
}

func (sys *system) thermal(base string) object {
	celsius, rpm, _ := sys.figures()
	return object{
		"@odata.id": base + "/Thermal", "@odata.type": "#Thermal.v1_7_1.Thermal", "Id": "Thermal", "Name": "Thermal",
		"Temperatures": []object{{
			"@odata.id": base + "/Thermal#/Temperatures/0", "MemberId": "0", "Name": "CPU 1", "ReadingCelsius": celsius, "UpperThresholdCritical": 95, "Status": healthy,
		}},
		"Fans": []object{{
			"@odata.id": base + "/Thermal#/Fans/0", "MemberId": "0", "Name": "Fan 1", "Reading": rpm, "ReadingUnits": "RPM", "Status": healthy,
		}},
	}
}

func (sys *system) power(base string) object {
	_, _, watts := sys.figures()
	return object{
		"@odata.id": base + "/Power", "@odata.type": "#Power.v1_7_1.Power", "Id": "Power", "Name": "Power",
		"PowerControl": []object{{
			"@odata.id": base + "/Power#/PowerControl/0", "MemberId": "0", "Name": "System Power", "PowerConsumedWatts": watts, "Status": healthy,
		}},
	}
}

func (sys *system) entries(base string) []object {
	out := []object{}
	for _, e := range sys.events {
		id := strconv.Itoa(e.ID)
		out = append(out, object{
			"@odata.id": base + "/LogServices/Log/Entries/" + id, "@odata.type": "#LogEntry.v1_15_0.LogEntry", "Id": id, "Name": "Log Entry " + id,
			"EntryType": "Event", "Created": e.At.Format(time.RFC3339), "Severity": "OK", "Message": e.Message,
		})
	}
	return out
}
