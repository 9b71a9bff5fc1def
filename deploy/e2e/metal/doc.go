// Package metal starts servers that have nothing on them: virtual machines with disks, network cards and management
// controllers, in a network of their own, which a real controller finds, boots, measures, installs and wipes.
// `make test-metal` runs it with its times. Processors are emulated, so a whole
// story takes minutes. One is run only when STEELYARD_METAL says "some" or "all": who is killed in the middle of anything.
package metal
