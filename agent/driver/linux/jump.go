package linux

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// spare is the memory that the running system keeps while another kernel is loaded.
const spare = 64 << 20

// Prepare implements driver.Jumper with kexec_file_load(2). The files are in memory only, and there twice for a moment: once here, once in
// the kernel.
func (m *Machine) Prepare(ctx context.Context, k driver.Kernel) (func(context.Context) error, error) {
	s := m.opt.Switch
	if s == nil {
		return nil, fault.Refused("this agent shares its machine; no other kernel is started on it")
	}
	if need, free := 2*(k.Image.Bytes+k.Memory.Bytes)+spare, m.freeMemory(); free < need {
		return nil, fault.Refused("kexec needs %d MiB of free memory, and %d MiB are free", need>>20, free>>20)
	}
	if err := m.kexecAllowed(); err != nil {
		return nil, err
	}
	image, err := inMemory(ctx, k, k.Image)
	if err != nil {
		return nil, err
	}
	memory, err := inMemory(ctx, k, k.Memory)
	if err != nil {
		_ = image.Close()
		return nil, err
	}
	if err = s.load(image, memory, k.CommandLine); err == nil {
		err = s.unload()
	}
	if err != nil {
		_ = errors.Join(image.Close(), memory.Close())
		return nil, err
	}
	return func(ctx context.Context) error { return s.jump(ctx, image, memory, k.CommandLine) }, nil
}

// kexecAllowed tells in words what the kernel would refuse with a number.
func (m *Machine) kexecAllowed() error {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	if read(filepath.Join(m.prc, "sys/kernel/kexec_load_disabled")) == "1" {
		return fault.Refused("kexec is switched off on this system until its next start (sysctl kernel.kexec_load_disabled)")
	}
	return nil
}

// inMemory fetches a file into a file without a name or a disk.
func inMemory(ctx context.Context, k driver.Kernel, want protocol.EntryFile) (*os.File, error) {
	fd, err := unix.MemfdCreate("kernel", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fault.Refused("the system gives no memory for another kernel: %w", err)
	}
	f := os.NewFile(uintptr(fd), "kernel")
	if err := k.Take(ctx, want, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// kexec is the kernel's own call; without an image what is loaded is thrown away.
func kexec(image, memory *os.File, line string) error {
	if image == nil {
		return unix.KexecFileLoad(-1, -1, "", unix.KEXEC_FILE_UNLOAD)
	}
	return unix.KexecFileLoad(int(image.Fd()), int(memory.Fd()), line, 0)
}

func (s *Switch) load(image, memory *os.File, line string) error {
	err := s.kexec(image, memory, line)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSYS):
		return fault.Refused("the kernel of this system has no kexec (CONFIG_KEXEC_FILE)")
	case errors.Is(err, unix.EPERM):
		return fault.Refused("the kernel of this system is locked down (Secure Boot) or withholds the right to boot (CAP_SYS_BOOT), and starts no other one")
	case errors.Is(err, unix.EKEYREJECTED), errors.Is(err, unix.ENOKEY), errors.Is(err, unix.ENODATA), errors.Is(err, unix.EBADMSG), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		return fault.Refused("the kernel of this system starts only what is signed with a key that it knows (Secure Boot): %w", err)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EADDRNOTAVAIL):
		return fault.Refused("the kernel of this system finds no room in memory for another one: %w", err)
	case errors.Is(err, unix.EBUSY):
		return fault.Unavailable("another program loads a kernel at this moment: %w", err)
	}
	return fault.Refused("the kernel of this system does not take the RAM environment: %w", err)
}

// unload takes back what was loaded: a customer's own reboot must not start it.
func (s *Switch) unload() error {
	if err := s.kexec(nil, nil, ""); err != nil {
		return fault.Refused("the kernel does not let go of what was loaded: %w", err)
	}
	return nil
}

// jump ends what runs and starts the other kernel: by systemd, which stops services and unmounts, else at once after a flush.
func (s *Switch) jump(ctx context.Context, image, memory *os.File, line string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.load(image, memory, line); err != nil {
		return err
	}
	err := s.leap(ctx)
	if err != nil {
		return errors.Join(err, s.unload())
	}
	return nil
}

func (s *Switch) leap(ctx context.Context) error {
	if s.exists("/run/systemd/system") { // sd_booted(3)
		for _, way := range s.first(nil, "systemctl", []string{"--no-ask-password", "kexec"}, "/usr/bin", "/bin") {
			return s.run(ctx, way[0], way[1:]...)
		}
	}
	if s.flushed(ctx); ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.kernel(unix.LINUX_REBOOT_CMD_KEXEC); err != nil {
		return fault.Unavailable("the kernel does not start the one that was loaded: %w", err)
	}
	return nil
}

var _ driver.Jumper = (*Machine)(nil)
