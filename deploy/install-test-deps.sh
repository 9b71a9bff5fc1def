#!/usr/bin/env bash
# Installs the Debian packages whose programs the tests start. Already there: does
# nothing. Not root, or no apt-get: says what is missing; with CI=true that is a failure.
set -euo pipefail

# program:package
wanted=(
  gcc:gcc                    # the race detector
  prometheus:prometheus      # scrapes our metrics
  promtool:prometheus        # checks metrics and alert rules
  dmidecode:dmidecode        # hardware tables
  losetup:mount              # loop disks
  mount:mount                # a full disk
  smartctl:smartmontools     # disk health
  curl:curl                  # the tour of the README
  ipmi_sim:openipmi          # a management controller
  ipmitool:ipmitool          # looks at it from outside
  snmpd:snmpd                # a switch
  snmpget:snmp               # looks at it from outside
  redfishtool:redfishtool    # a client of the simulated Redfish service
  ip:iproute2                # network namespaces
  qemu-system-x86_64:qemu-system-x86 # virtual machines that stand in for metal
  mmdebstrap:mmdebstrap      # the system that the machines are installed with
  extlinux:extlinux          # starts it
  ping:iputils-ping          # hears whether it answers
  ssh:openssh-client         # goes into a server in rescue
  depmod:kmod                # tables of the kernel's modules
  cpio:cpio                  # reads our archives as another program does
  dnsmasq:dnsmasq-base       # DHCP in the network of the virtual machines
  busybox:busybox-static     # the shell of the RAM environment
  xz:xz-utils                # unpacks the kernel
  mkfs.ext4:e2fsprogs        # file systems inside the machines
  netplan:netplan.io         # reads the network of installed systems
  qemu-img:qemu-utils        # images in other formats
  mmdebstrap:mmdebstrap      # makes the example image
  extlinux:extlinux          # its boot loaders
  grub-mkimage:grub-common
  sgdisk:gdisk               # looks at partition tables
  prlimit:util-linux         # limits of what reads them
  mkfs.xfs:xfsprogs          # file systems of images
  useradd:passwd             # accounts that an inspection finds
  crontab:cron               # their jobs
  sshd:openssh-server        # their logins
  nginx:nginx-light          # their sites
  proftpd:proftpd-core       # their uploads
  mariadbd:mariadb-server    # their databases
  mariadb:mariadb-client
  postmap:postfix            # their mail
  dovecot:dovecot-core
  clamd:clamav-daemon        # the scan of it
  systemd-nspawn:systemd-container # a node that systemd starts
  nsenter:util-linux
  openssl:openssl            # digests of passwords
  mkfs.btrfs:btrfs-progs
  mkfs.vfat:dosfstools
  mcopy:mtools
  sfdisk:fdisk
  hdparm:hdparm              # erases SATA disks, or claims it
  sg_sanitize:sg3-utils      # the same for SCSI disks
)

missing=()
# programs whose names have a version in them
compgen -G '/usr/sbin/php-fpm*' >/dev/null || missing+=(php-fpm)
compgen -G '/usr/lib/php/*/opcache.so' >/dev/null || missing+=(php-opcache)
# libraries without a program, in Debian's own Python: a client of the simulated Redfish service, a mail server
/usr/bin/python3 -c 'import sushy' 2>/dev/null || missing+=(python3-sushy)
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || missing+=(python3-aiosmtpd)
# boot loaders of the example image
[[ -e /usr/lib/syslinux/mbr/gptmbr.bin ]] || missing+=(syslinux-common)
[[ -e /usr/lib/grub/x86_64-efi/normal.mod ]] || missing+=(grub-efi-amd64-bin)
# parts of mail servers that have no program
[[ -e /usr/lib/postfix/postfix-lmdb.so ]] || missing+=(postfix-lmdb)
[[ -e /usr/lib/dovecot/imap && -e /usr/lib/dovecot/pop3 && -e /usr/lib/dovecot/lmtp ]] || missing+=(dovecot-imapd dovecot-pop3d dovecot-lmtpd)
# firmware of the virtual machines
[[ -e /usr/share/OVMF/OVMF_CODE.fd ]] || missing+=(ovmf)
# what machines load first from the network, and the network boot of the virtual ones
[[ -e /usr/lib/ipxe/undionly.kpxe ]] || missing+=(ipxe)
[[ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ]] || missing+=(ipxe-qemu)
for entry in "${wanted[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing for the tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi

echo "the tests that need these Debian packages cannot run: ${missing[*]}" >&2
echo "install them as root: apt-get install ${missing[*]}" >&2
[[ ${CI:-} != true ]]
