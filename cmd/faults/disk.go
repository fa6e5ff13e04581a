package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is an ext4 file system in a file, mounted through a loop device. What
// is not synced lies in the memory of this machine and not in the file.
type disk struct {
	image, at string
}

// errMount says what mounting needs.
var errMount = errors.New("this needs to mount a loop image: run it as root on a machine with loop devices and mkfs.ext4")

// newDisk makes and mounts a disk of so many bytes in a folder.
func newDisk(folder string, size int64) (disk, error) {
	d := disk{image: filepath.Join(folder, "disk.img"), at: filepath.Join(folder, "disk")}
	f, err := os.Create(d.image)
	if err != nil {
		return d, err
	}
	if err := errors.Join(f.Truncate(size), f.Close(), os.Mkdir(d.at, 0o700)); err != nil {
		return d, err
	}
	if err := command("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image); err != nil {
		return d, errors.Join(errMount, err)
	}
	return d, d.mount()
}

// mount mounts it with a journal that is written when somebody syncs, not by
// the clock, as a power cut is to show who does not.
func (d disk) mount() error {
	if err := command("mount", "-o", "loop,commit=300", d.image, d.at); err != nil {
		return errors.Join(errMount, err)
	}
	return nil
}

// unmount leaves the image.
func (d disk) unmount() error { return command("umount", d.at) }

// sync puts all that is in memory on the disk.
func (d disk) sync() error {
	f, err := os.Open(d.at)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// freeze makes the image what it is at this moment: what is in memory only is
// gone, as after a power cut. Who had files open must have ended by then; take
// is called when the image is safe.
func (d disk) freeze(take func()) error {
	left := d.image + ".left"
	if err := command("cp", "--sparse=always", d.image, left); err != nil {
		return err
	}
	take()
	if err := errors.Join(d.unmount(), os.Rename(left, d.image)); err != nil {
		return err
	}
	return d.mount()
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// fill takes all the room there is on a disk.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	var free unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &free); err != nil {
		return errors.Join(err, f.Close())
	}
	at := int64(0)
	for step := int64(free.Bavail) * free.Bsize; step >= free.Bsize; {
		err := unix.Fallocate(int(f.Fd()), 0, at, step)
		switch {
		case err == nil:
			at += step
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		default:
			return errors.Join(fmt.Errorf("fill the disk: %w", err), f.Close())
		}
	}
	return f.Close()
}
