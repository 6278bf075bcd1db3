/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether a VM may have its devices: everything that they need exists, and no other VM
 * uses it. */
#ifndef CHAOS_ENGINE_DEVICES_ADMIT_H
#define CHAOS_ENGINE_DEVICES_ADMIT_H

#include <stdbool.h>

#include "base/err.h"

struct device_config;
struct engine;
struct file;
struct files;
struct vm;
struct vm_config;

/* For a VM that is to be built: `self`, or NULL if it has no name yet. -errno with the reason;
 * -EAGAIN: possible when a device that is being removed is gone. Does not check the files of
 * disks. */
int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e);
/* Whether such devices can be made at all: as device_possible(). */
int devices_possible(const struct engine *en, const struct vm_config *c, struct err *e);
/* Whether the VM can write a disk. */
bool devices_are_written(const struct vm_config *c);
/* -ESTALE, with a message: the disk was written since its VM was saved. */
int vbd_is_newer(const struct device_config *d, struct err *e);
/* Whether a device has a file that must be opened; and adds all such files to the files to be
 * opened. */
bool devices_have_files(const struct vm_config *c);
int devices_add_files(const struct vm_config *c, struct files *f, struct err *e);
/* Checks the opened files of a VM's disks, and records their identity in its configuration. */
int disks_admit(struct vm *vm, struct files *f, struct err *e);
/* Both checks for one more device of a VM that runs; the second one is left out if the disk was
 * not opened yet (NULL). */
int device_admit(struct vm *vm, struct device_config *d, const struct file *file, struct err *e);

#endif
