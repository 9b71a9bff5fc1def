// Package metal starts servers that have nothing on them: virtual machines with disks, network cards and management
// controllers, in a network of their own, which a real controller finds, boots, measures, installs and wipes.
// `make test-metal` runs it with its times. Processors are emulated, so a whole
// story takes minutes. With STEELYARD_METAL=all controller, machine and power are each killed in every phase of a life, not only in one.
package metal
