// Package netboot answers machines that start from the network: which program, kernel and memory image they get, or that they shall
// start from their own disk.
//
// # The walk
//
// Firmware asks DHCP. A dnsmasq that this package keeps running answers, with addresses of its own or beside the DHCP server of the
// network (proxyDHCP), and hands out iPXE by TFTP: what suits the firmware, told by DHCP option 93. iPXE asks again, says that
// it is iPXE, and is sent to /netboot/boot.ipxe here, first without, then with what it knows of its machine. [Decide] says what such a
// machine gets; [Machine] finds it in the newest snapshot of the fleet; the answer is an iPXE script with plain words for whoever
// stands before the screen. For the RAM environment a boot token is made (intake.AdmitBoot), the only thing that is ever written.
//
// # What it does not do
//
// It has no DHCP and no TFTP server of its own, decides nothing about servers, and never talks to one first. It answers on the interfaces
// that it was given and no others: every socket is bound to its interface, dnsmasq's too. It does not end the controller when
// dnsmasq does not run: it starts it again, more and more slowly, and files a task.
//
// # Trust
//
// Firmware speaks neither TLS nor anything else that proves who asks, so whoever is on the provisioning network can read a boot token
// and can ask for one in the name of a machine that the controller lets boot. Against that stand: a request is refused when it comes
// from another network card than it says; a token is worth one enrolment of that machine within minutes; no token is
// made for a server that is somebody's unless the controller itself started its boot; and what boots is a
// pending machine or one that nobody's data is on. The network is for provisioning alone: see docs/netboot.md.
package netboot
