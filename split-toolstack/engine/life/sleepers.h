/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of VMs that sleep: a file each, which outlives the host's reboots. */
#ifndef CHAOS_ENGINE_LIFE_SLEEPERS_H
#define CHAOS_ENGINE_LIFE_SLEEPERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct vm;

/*
 * UUID.save is the file of a VM (chaos-save(5)), UUID.N.part a file that is being written,
 * UUID.N.gone one that is being deleted. The registry is on a tmpfs. If it has a record of the VM,
 * the record decides whether the file is valid (VM_ASLEEP) or left over. If it has none, the host
 * was rebooted, and the file is the VM. Therefore a file is complete, synced and has its name
 * before a record says "asleep", and is kept until a record says something else.
 */

/* Opens conf.sleep_dir, if there is one, and deletes incomplete files. */
int sleepers_open(struct engine *en, struct err *e);
/* The engine closes: nothing is given to threads any more. */
void sleepers_stop(struct engine *en);
void sleepers_close(struct engine *en);
/* Called when all records were read: deletes files of VMs that do not sleep, and adds VMs without a
 * record. Files with wrong contents, or with another name than their VM, are logged and stay. A VM
 * whose file cannot be read now is unknown, with a name made of its uuid, and so is one whose
 * devices cannot be reserved; then the result is 1. */
int sleepers_adopt(struct engine *en, struct err *e);
/* Tries again to read the file of such a VM (`unread`), which may free the VM. */
void sleeper_read_again(struct vm *vm);

#define SLEEPER_NAME 64u

/* A file that is being written; each VM has at most one. */
struct sleeper_file {
	struct sleeper_file *prev, *next;
	struct engine *en; /* NULL: not in the list */
	uint8_t uuid[16];
	int dir; /* descriptor of the folder; -1: closed */
	int fd;
	char part[SLEEPER_NAME];
	char name[SLEEPER_NAME];
};
/* For a VM that runs. A file of its name is left over, and is deleted. -EOPNOTSUPP: there is no
 * folder; -EBUSY: a file for this VM is being written, or still synced although the VM continues.
 */
int sleeper_begin(const struct vm *vm, struct sleeper_file *f, struct err *e);
/* On a thread: syncs the file and gives it its name. */
int sleeper_keep(const struct sleeper_file *f, struct err *e);
/* Closes it; without `keep` a thread deletes it, if it does not have its name yet. */
void sleeper_end(struct sleeper_file *f, bool keep);

/* Opens the VM's file for reading. */
int sleeper_open(const struct vm *vm, struct err *e);
/* The VM runs or has ended, and is recorded so: renames its file at once; a thread deletes it. */
void sleepers_forget(struct vm *vm);
/* The same for a VM that is going to run: it must not (`syncing`) until the deletion is synced;
 * then the engine checks it again. False: nothing was done. */
bool sleepers_forget_first(struct vm *vm);
/* The same for a uuid. */
void sleepers_forget_uuid(struct engine *en, const uint8_t uuid[16]);

#endif
