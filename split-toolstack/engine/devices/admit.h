/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a VM may have its devices: all that they need is there, and no other VM has it. */
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

/* Of a VM that is to be built: `self`, or NULL when it has no name yet. The message says what is
 * not right; -EAGAIN: it will be when a device is gone that is being torn down. Says nothing of
 * what lies behind the paths of disks. */
int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e);
/* The VM writes a disk. */
bool devices_are_written(const struct vm_config *c);
/* Why a disk that was written since its VM was saved is refused: -ESTALE. */
int vbd_is_newer(const struct device_config *d, struct err *e);
/* Some device of it has a file behind it, to be opened; and puts all of these to those to be
 * opened. */
bool devices_have_files(const struct vm_config *c);
int devices_add_files(const struct vm_config *c, struct files *f, struct err *e);
/* That of a linked VM's disks, which were opened; notes what they are in its configuration. */
int disks_admit(struct vm *vm, struct files *f, struct err *e);
/* Both for one more device of a living VM; a disk that was not opened yet (NULL) without the
 * latter.
 */
int device_admit(struct vm *vm, struct device_config *d, const struct file *file, struct err *e);

#endif
