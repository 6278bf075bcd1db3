/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a VM in memory, for copies of it. */
#ifndef CHAOS_ENGINE_LIFE_TAKE_H
#define CHAOS_ENGINE_LIFE_TAKE_H

#include "split-toolstack/engine/config/device_config.h"
#include "split-toolstack/engine/life/save.h"

struct save_stream;

/* Contents of disks at that moment, in files without names in the folders of the disks. */
struct taken_disks {
	uint32_t n;
	struct {
		char *path; /* of the disk; malloced */
		int fd;
	} disk[VM_VBDS_MAX];
};
void taken_disks_free(struct taken_disks *d); /* NULL is allowed */

/* Called once. rc 0: the callee owns the state (libdom/template.h); -errno: `e` has the reason. The
 * VM continues in both cases. `st` has no bytes of a file. `disks` is the callee's, too; NULL: none
 * were requested. */
typedef void vm_take_fn(void *arg, int rc, struct save_stream *state, struct taken_disks *disks,
			const struct stream_stats *st, const struct err *e);

enum vm_take_how {
	TAKE_ALL,
	TAKE_DISKS, /* also the contents of the disks that it writes; files only */
	TAKE_BARE,  /* the copies will have no devices; those of the VM are not touched, and its
		       image must declare that it continues without */
};

/*
 * Copies the state of a VM that runs or is paused into memory, with the conditions and errors of
 * vm_save(). The VM is stopped meanwhile. For a small guest that is blocked `fn` is called before
 * this returns, otherwise later; if this fails, it is not called. `id` is of streams_take(), for
 * vm_save_end(), and belongs to the caller.
 */
int vm_take(struct vm *vm, stream_id id, enum vm_take_how how, vm_take_fn *fn, void *arg,
	    struct err *e);

/* Such a state with a counter: a request and each copy that is being made have a reference. */
struct template
{
	struct engine *en;
	struct save_stream *state;
	uint32_t refs;
};
/* With one reference. NULL: out of memory; the caller keeps the state. */
struct template *template_new(struct engine *en, struct save_stream *state);
void template_put(struct template *t); /* NULL is allowed */

#endif
