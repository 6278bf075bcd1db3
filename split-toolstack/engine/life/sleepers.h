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
 * UUID.save is the file of a VM (man 5 chaos-save), UUID.N.part one that is being written, and
 * UUID.N.gone one that is of no use any more and is being deleted. The registry lies on a tmpfs:
 * while it knows the VM, its record decides whether the file counts (VM_ASLEEP) or is a left-over;
 * when it does not, the host has been booted, and the file is the VM. So a file is whole, synced
 * and has its name before a record says "asleep", and stays until a record says otherwise.
 */

/* Opens conf.sleep_dir, if there is one, and deletes what is no VM of it. */
int sleepers_open(struct engine *en, struct err *e);
/* The engine closes: nothing is left to threads any more. */
void sleepers_stop(struct engine *en);
void sleepers_close(struct engine *en);
/* After all records were read: deletes files whose VMs do not sleep, and lists VMs that have no
 * record. Files that cannot be read, or are named otherwise than their VM, stay and are logged. */
int sleepers_adopt(struct engine *en, struct err *e);

#define SLEEPER_NAME 64u

/* A file that is being written: of each VM at most one. */
struct sleeper_file {
	struct sleeper_file *prev, *next;
	struct engine *en; /* NULL: it is in no list */
	uint8_t uuid[16];
	int dir; /* the folder's, and of the file: -1 when closed; they are of this structure */
	int fd;
	char part[SLEEPER_NAME];
	char name[SLEEPER_NAME];
};
/* For a VM that runs: a file of its name there is a left-over, and is deleted. -EOPNOTSUPP: there
 * is no folder; -EBUSY: one for this VM is being written, or synced still though the VM goes on. */
int sleeper_begin(const struct vm *vm, struct sleeper_file *f, struct err *e);
/* On a thread: all of it is on the disk, and it has its name there. */
int sleeper_keep(const struct sleeper_file *f, struct err *e);
/* Closes it; `keep` false: deletes it, if it has not its name. */
void sleeper_end(struct sleeper_file *f, bool keep);

/* Open for reading; errors say what is wrong with it. */
int sleeper_open(const struct vm *vm, struct err *e);
/* The VM runs or has ended, and its record says so: its file has another name at once, and is
 * deleted by a thread. */
void sleepers_forget(struct vm *vm);
/* The same of a VM that is about to run, and does not (`syncing`) until that is on the disk;
 * it is looked at again then. False: nothing was done. */
bool sleepers_forget_first(struct vm *vm);
/* The same of a uuid. */
void sleepers_forget_uuid(struct engine *en, const uint8_t uuid[16]);

#endif
