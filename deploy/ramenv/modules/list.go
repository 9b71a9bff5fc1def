package modules

// Servers are the modules that the RAM environment has: storage, networks, management controllers and file
// systems of servers, and what a technician's keyboard needs. What needs a firmware file of its own works
// only as far as the card has it in flash: no firmware is in the RAM environment.
var Servers = []string{
	// disks
	"nvme", "ahci", "ata_piix", "ata_generic", "sd_mod", "sr_mod", "sg", "ses",
	"virtio_pci", "virtio_blk", "virtio_scsi", "vmw_pvscsi", "hv_storvsc", "xen_blkfront",
	"megaraid_sas", "mpt3sas", "mpi3mr", "mptsas", "mptspi", "aacraid", "hpsa", "smartpqi", "isci", "pm80xx", "mvsas", "arcmsr", "3w_9xxx", "3w_sas", "esas2r",
	"vmd", "usb_storage", "uas", "mmc_block", "sdhci_pci", "sdhci_acpi",
	// networks
	"virtio_net", "e1000", "e1000e", "igb", "igc", "ixgbe", "ixgbevf", "i40e", "iavf", "ice", "bnxt_en", "bnx2", "bnx2x", "tg3",
	"mlx4_en", "mlx5_core", "r8169", "realtek", "8139cp", "8139too", "atlantic", "cxgb4", "qede", "qlcnic", "sfc", "be2net", "enic", "ena", "nfp", "vmxnet3", "hv_netvsc", "xen_netfront",
	"8021q",
	// management controllers, sensors, memory errors
	"ipmi_si", "ipmi_ssif", "ipmi_devintf", "acpi_ipmi", "msr", "coretemp", "k10temp", "acpi_power_meter", "i2c_i801", "i2c_piix4", "jc42",
	"amd64_edac", "skx_edac", "i10nm_edac", "sb_edac", "ie31200_edac", "igen6_edac", "i7core_edac", "pnd2_edac", "edac_mce_amd",
	"qemu_fw_cfg",
	// file systems and block layers
	"ext4", "xfs", "btrfs", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8", "isofs", "squashfs", "overlay", "efivarfs",
	"loop", "dm_mod", "dm_crypt", "dm_snapshot", "dm_multipath",
	"crc32c_generic", "crc32c_intel", "crct10dif_generic", "crct10dif_pclmul", "crc64_rocksoft_generic", "aesni_intel", "ghash_clmulni_intel",
	// keyboard and screen
	"xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usbhid", "hid_generic", "button", "evdev",
}

// Always are loaded whatever devices are there: no device asks for them, or a disk does only after it was found.
// A checksum of disks comes first, so that the kernel finds it without asking our modprobe.
var Always = []string{"crc64_rocksoft_generic", "sd_mod", "ipmi_si", "ipmi_devintf", "msr"}

// Machines are the modules of the virtual machines that tests make, with the block layers that inject faults.
var Machines = []string{
	"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "nvme", "ahci", "ata_piix", "sd_mod", "sr_mod", "sg", "e1000", "e1000e", "8021q", "bonding",
	"ext4", "quota_v2", "xfs", "vfat", "nls_cp437", "nls_ascii", "isofs", "loop", "efivarfs", "msr",
	"crc32c_generic", "crc32c_intel", "crct10dif_generic",
	"dm_mod", "dm_flakey", "dm_delay", "dm_crypt", "md_mod", "scsi_debug", "null_blk", "target_core_user", "tcm_loop", "megaraid_sas", "mptsas", "ipmi_si", "ipmi_devintf", "qemu_fw_cfg", "hid_generic", "button", "evdev",
}
