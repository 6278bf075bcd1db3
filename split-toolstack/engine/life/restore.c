/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a VM from a file: checks the file, then makes a domain or takes one from the pool, and has
 * it filled. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vms.h"

/* Two jobs on a thread: the first one reads the file and checks everything that can be checked
 * without a domain. Then the VM is made and built like any other, and the second job fills its
 * domain. Before that nothing of the VM exists. Short jobs are done on the loop instead: the first
 * one if the file is small and in memory (memfd, tmpfs), the second one if the pages were read and
 * the pool has a shell for them. */

/* Refuses a restore for which no VM exists yet. */
static void refuse(struct vm_restore *r, int rc, const struct err *e)
{
	struct vm_timings none = {0};

	r->fn(r->arg, rc, NULL, &none, e);
	restore_free(r);
}

/* Checks that name and uuid are free; a copy gets its own. */
static int check_identity(struct vm_restore *r, struct vm_config *c, struct err *e)
{
	struct vm *other;

	if (r->copy) {
		memcpy(c->name, r->name, sizeof(c->name));
		c->have_uuid = false;
		return 0;
	}
	c->have_uuid = true;
	other = vm_by_uuid(r->en, c->uuid);
	if (!other)
		other = vm_by_name(r->en, c->name);
	if (!other)
		return 0;
	return err_set(e, EEXIST,
		       "VM \"%s\" has the %s of the saved VM: --name NAME restores a copy",
		       vm_name(other), strcmp(vm_name(other), c->name) == 0 ? "name" : "uuid");
}

int restore_check_config(const struct save_stream *s, const struct vm_config *c, struct err *e)
{
	const struct save_info *i = save_info(s);
	/* guests without noxs make the rings of their devices */
	uint32_t rings = i->linux_guest ? 0 : devices_rings(c) + c->spare_rings;

	if (i->type == c->type && i->vcpus == vm_config_vcpus(c) &&
	    i->pages == (c->mem_kib + 3) / 4 && i->ring_pages == rings &&
	    memcmp(&i->limits, &c->limits, sizeof(c->limits)) == 0)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "this version cannot restore the VM of the file: its sizes differ from "
		       "those of its configuration");
}

/* --- paths in a file of unknown origin --- */

static bool same_path(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether this host has the VM of the file, made from the same files. A VM that was restored
 * without its paths has none, so paths are not accepted because of it. */
static bool are_known(struct engine *en, const struct vm_config *c)
{
	const struct vm *vm = engine_find_uuid(en, c->uuid);

	return vm && same_path(vm_cfg(vm)->kernel, c->kernel) &&
	       same_path(vm_cfg(vm)->ramdisk, c->ramdisk);
}

static bool no_more_builds(enum vm_action *a)
{
	if (*a != VM_RESTART && *a != VM_RENAME_RESTART)
		return false;
	*a = VM_DESTROY;
	return true;
}

static void drop_path(char **path)
{
	free(*path);
	*path = NULL;
}

static int copy_path(char **to, const char *from, struct err *e)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* A VM that returns from a host that had no paths for it gets the paths recorded here. */
static int take_own_paths(struct engine *en, struct vm_config *c, struct err *e)
{
	const struct vm *vm = engine_find_uuid(en, c->uuid);
	int rc;

	if (!vm || !vm_cfg(vm)->kernel || c->kernel || c->ramdisk)
		return 0;
	c->on_poweroff = vm_cfg(vm)->on_poweroff;
	c->on_reboot = vm_cfg(vm)->on_reboot;
	c->on_crash = vm_cfg(vm)->on_crash;
	rc = copy_path(&c->kernel, vm_cfg(vm)->kernel, e);
	return rc < 0 ? rc : copy_path(&c->ramdisk, vm_cfg(vm)->ramdisk, e);
}

/* Otherwise a reboot of the guest would open and boot files that the saved file names, as root. */
void drop_unknown_paths(struct engine *en, struct vm_config *c)
{
	bool reboots;

	if (are_known(en, c))
		return;
	reboots = no_more_builds(&c->on_reboot);
	reboots = no_more_builds(&c->on_crash) || reboots;
	reboots = no_more_builds(&c->on_poweroff) || reboots;
	if (reboots || c->kernel || c->ramdisk)
		log_line(LOG_WARN,
			 "op=restore name=%s: this host does not know the VM of the file: its "
			 "kernel and ramdisk are ignored, and it is destroyed when it would be "
			 "restarted",
			 c->name);
	drop_path(&c->kernel);
	drop_path(&c->ramdisk);
}

/* Sets the snapshot from which the VM is made, otherwise the one that is recorded in the file. */
static int take_snapshot(const struct vm_restore *r, struct vm_config *c, struct err *e)
{
	if (!r->snapshot[0])
		return 0;
	vm_config_set_snapshot(c, strdup(r->snapshot));
	return c->snapshot ? 0 : err_set(e, ENOMEM, "out of memory");
}

void restore_filled(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		    const struct err *e)
{
	struct vm_restore *r = arg;

	if (rc == 0 && r->stats && r->stream && live_is(r->stream)) { /* known only now */
		r->stats->bytes = r->st.bytes;
		r->stats->present = r->st.present;
	}
	if (r->stats)
		r->stats->total_ns = clock_ns() - r->start_ns;
	if (rc < 0)
		restore_remove_copies(r);
	else if (r->flags & VM_CREATE_ARRIVING)
		(void)restore_keep_copies(r);
	restore_forget_copies(r);
	r->fn(r->arg, rc, vm, t, e);
	r->fn = NULL;
	if (!r->vm) /* refused before it was built */
		restore_free(r);
}

/* Makes the VM, which takes over r->cfg. */
static void make_vm(struct vm_restore *r)
{
	struct vm_config c = r->cfg;

	vm_config_init(&r->cfg);
	if (r->rc < 0) {
		vm_config_clear(&c);
		refuse(r, r->rc, &r->err);
		return;
	}
	restore_jobs(r);
	vm_create(r->en, &c, r->flags & ~(VM_RESTORE_DISKS | VM_RESTORE_PATHS), r, restore_filled,
		  r);
	vm_config_clear(&c);
}

static void read_config(struct vm_restore *r)
{
	const struct save_info *i;
	struct vm_record was;
	struct vm_config c;
	struct err e = {0};
	int rc;

	if (r->rc < 0) {
		refuse(r, r->rc, &r->err);
		return;
	}
	i = save_info(r->stream);
	vm_config_init(&c);
	rc = vm_undescribe_all(i->owner, i->owner_bytes, &was, &c, &e);
	/* The source may have paused or unpaused the VM since it has offered it. */
	if (rc == 0 && r->flags & VM_CREATE_ARRIVING && was.want != 0)
		r->flags = (r->flags & ~VM_CREATE_PAUSED) |
			   (was.want == WANT_PAUSED ? VM_CREATE_PAUSED : 0);
	if (rc == 0)
		rc = restore_check_config(r->stream, &c, &e);
	if (rc == 0)
		rc = check_identity(r, &c, &e);
	if (rc == 0)
		rc = take_snapshot(r, &c, &e);
	if (rc == 0)
		rc = restore_check_devices(
			&(struct devices_wish){.en = r->en,
					       .flags = r->flags,
					       .noxs = !i->linux_guest,
					       .known = r->known,
					       .copy = r->copy,
					       .saved_ns = i->saved_ns,
					       .vif = r->has_vif ? &r->vif : NULL},
			&c, &e);
	if (rc == 0 && r->flags & VM_CREATE_ARRIVING && !r->copy)
		rc = take_own_paths(r->en, &c, &e);
	if (rc == 0 && !r->known && !(r->flags & VM_RESTORE_PATHS))
		drop_unknown_paths(r->en, &c);
	if (rc == 0)
		rc = restore_copy_disks(r, &c, &e);
	if (rc < 0) {
		restore_forget_copies(r);
		vm_config_clear(&c);
		refuse(r, rc, &e);
		return;
	}
	r->stats->pages = i->pages;
	r->stats->present = i->present;
	r->stats->bytes = i->bytes;
	r->cfg = c;
	if (rc == 0)
		make_vm(r);
}

#define RESTORE_FLAGS                                                                              \
	(VM_CREATE_PAUSED | VM_CREATE_WAIT_READY | VM_CREATE_ARRIVING | VM_RESTORE_DISKS |         \
	 VM_RESTORE_PATHS)

/* as: the new name; NULL: the name in the file */
static int begin(struct engine *en, int fd, const struct restore_as *as, uint32_t flags,
		 vm_create_fn *fn, vm_arrived_fn *on_round, void *arg, struct stream_stats *s,
		 stream_id *id, struct err *e)
{
	struct vm_restore *r;
	struct transfer file;
	int rc = transfer_open(&file, fd, false, e);

	if (rc < 0)
		return rc;
	rc = streams_take(en, id, e);
	if (rc < 0) {
		stream_close(en, &file);
		return rc;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		stream_close(en, &file);
		streams_give(en);
		return err_set(e, ENOMEM, "out of memory");
	}
	*r = (struct vm_restore){.en = en,
				 .checked = read_config,
				 .copied = make_vm,
				 .id = *id,
				 .file = file,
				 .flags = (flags & RESTORE_FLAGS) | VM_CREATE_WAIT_DEVICES,
				 .fn = fn,
				 .on_round = on_round,
				 .arg = arg,
				 .stats = s,
				 .start_ns = clock_ns(),
				 .copy = as,
				 .known = as && as->known,
				 .why = as ? as->why : NULL};
	*s = (struct stream_stats){0};
	if (as && as->vif) {
		r->has_vif = true;
		r->vif = *as->vif;
	}
	if (as && as->name)
		(void)snprintf(r->name, sizeof(r->name), "%s", as->name);
	if (as && as->snapshot)
		(void)snprintf(r->snapshot, sizeof(r->snapshot), "%s", as->snapshot);
	DL_APPEND(engine_streams(en)->restores, r);
	restore_begin(r);
	return 0;
}

int engine_restore(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   void *arg, struct stream_stats *s, stream_id *id, struct err *e)
{
	const struct restore_as as = {.name = name};

	return begin(en, fd, name ? &as : NULL, flags, fn, NULL, arg, s, id, e);
}

int engine_receive(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   vm_arrived_fn *on_round, void *arg, struct stream_stats *s, stream_id *id,
		   struct err *e)
{
	const struct restore_as as = {.name = name};

	return begin(en, fd, name ? &as : NULL, flags | VM_CREATE_ARRIVING, fn, on_round, arg, s,
		     id, e);
}

int engine_restore_as(struct engine *en, int fd, const struct restore_as *as, uint32_t flags,
		      vm_create_fn *fn, void *arg, struct stream_stats *s, stream_id *id,
		      struct err *e)
{
	return begin(en, fd, as, flags, fn, NULL, arg, s, id, e);
}

void vm_copy(struct engine *en, struct vm_config *cfg, struct template *of,
	     const struct taken_disks *disks, uint32_t flags, vm_create_fn *fn, void *arg)
{
	struct vm_restore *r = calloc(1, sizeof(*r));
	struct vm_timings none = {0};
	struct err e = {0};

	if (!r) {
		vm_config_clear(cfg);
		fn(arg, err_set(&e, ENOMEM, "out of memory"), NULL, &none, &e);
		return;
	}
	*r = (struct vm_restore){.en = en,
				 .file = {.fd = -1, .cancel = -1},
				 .stream = of->state,
				 .of = of,
				 .disks = disks,
				 .copied = make_vm,
				 .flags = flags | VM_CREATE_WAIT_DEVICES |
					  (disks ? VM_RESTORE_DISKS_COPY : 0),
				 .fn = fn,
				 .arg = arg};
	of->refs++;
	DL_APPEND(engine_streams(en)->restores, r);
	r->cfg = *cfg;
	vm_config_init(cfg);
	r->rc = disks ? restore_copy_disks(r, &r->cfg, &r->err) : 0;
	if (r->rc < 0)
		restore_forget_copies(r);
	if (r->rc <= 0)
		make_vm(r);
	else
		r->rc = 0; /* make_vm() follows */
}

void vm_restore_cancel(struct engine *en, stream_id id)
{
	struct vm_restore *r;

	DL_FOREACH(engine_streams(en)->restores, r)
	if (r->id == id)
		transfer_cancel(&r->file);
}

void restores_close(struct engine *en)
{
	for (struct vm_restore *r = engine_streams(en)->restores; r; r = r->next)
		transfer_cancel(&r->file);
	restore_arrived_none(en);
}
