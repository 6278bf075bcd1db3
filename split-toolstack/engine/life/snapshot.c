/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes snapshots of VMs, and VMs from snapshots. */
#include "split-toolstack/engine/life/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- keeping one --- */

/* A thread makes the file, a save fills it (the VM continues after its last page), and a thread
 * gives it its name. Meanwhile the VM may end, so that its uuid is not found any more. */
struct keeping {
	struct stream_wait wait; /* waits for its turn as a stream */
	struct engine *en;
	uint8_t uuid[16];
	struct snapshot_new *made;
	int fd; /* the file of `made` */
	struct snapshot what;
	struct stream_stats st;
	uint32_t set_back; /* number of rollbacks of the VM when the state was taken */
	uint64_t start_ns;
	vm_snapshot_fn *fn;
	void *arg;
};

static void end_keeping(struct keeping *k, int rc, const struct snapshot *x, const struct err *e)
{
	k->st.total_ns = clock_ns() - k->start_ns;
	k->fn(k->arg, rc, x, &k->st, e);
	free(k);
}

static void fail_keeping(struct keeping *k, int rc, const struct err *e)
{
	snapshot_give_up(k->made);
	end_keeping(k, rc, NULL, e);
}

/* The VM's configuration has the digest, because the name may be given to another snapshot later.
 */
static void note_snapshot(struct vm *vm, const struct snapshot *x)
{
	char *digest = strdup(x->digest);
	struct err e = {0};

	if (!digest)
		return;
	vm_config_set_snapshot(vm_change_cfg(vm), digest);
	if (vm_record(vm, &e) < 0)
		log_line(LOG_WARN, "op=snapshot name=%s: %s", vm_name(vm), err_msg(&e));
}

static void named(void *arg, int rc, const struct snapshot *x, const struct err *e)
{
	struct keeping *k = arg;
	struct vm *vm = rc < 0 ? NULL : vm_by_uuid(k->en, k->uuid);

	/* otherwise it was rolled back to another snapshot meanwhile */
	if (vm && vm_life(vm)->set_back == k->set_back)
		note_snapshot(vm, x);
	end_keeping(k, rc, x, e);
}

static void written(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct keeping *k = arg;

	k->st = *st;
	if (rc < 0) {
		fail_keeping(k, rc, e);
		return;
	}
	k->what.pages = st->pages;
	k->what.present = st->present;
	snapshot_finish(k->made, &k->what, named, k);
}

static void describe(struct keeping *k, const struct vm *vm)
{
	const struct vm_config *c = vm_cfg(vm);

	k->what = (struct snapshot){
		.type = c->type, .vcpus = vm_config_vcpus(c), .mem_kib = c->mem_kib};
	(void)snprintf(k->what.vm, sizeof(k->what.vm), "%s", vm_name(vm));
	if (c->snapshot)
		(void)snprintf(k->what.parent, sizeof(k->what.parent), "%s", c->snapshot);
}

static void write_it(struct keeping *k)
{
	struct vm *vm = vm_by_uuid(k->en, k->uuid);
	struct err e = {0};
	stream_id id;
	int rc = 0;
	int fd;

	if (!vm) {
		rc = err_set(&e, ESRCH, "\"%s\" ended before its snapshot was made", k->what.vm);
		fail_keeping(k, rc, &e);
		return;
	}
	describe(k, vm);
	k->set_back = vm_life(vm)->set_back;
	fd = fcntl(k->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		rc = err_sys(&e, errno, "write the snapshot of \"%s\"", vm_name(vm));
	else
		rc = vm_save(vm, fd, VM_SAVE_KEEP, written, k, &id, &e);
	if (rc < 0)
		fail_keeping(k, rc, &e);
}

static void write_in_turn(struct stream_wait *w, bool closing)
{
	struct keeping *k = (struct keeping *)w;
	struct err e = {0};

	if (!closing)
		write_it(k);
	else
		fail_keeping(k, err_set(&e, ECANCELED, "chaosd is ending"), &e);
}

static void opened(void *arg, int rc, struct snapshot_new *n, int fd, const struct err *e)
{
	struct keeping *k = arg;

	if (rc < 0) {
		end_keeping(k, rc, NULL, e);
		return;
	}
	k->made = n;
	k->fd = fd;
	k->wait.fn = write_in_turn;
	if (!streams_wait(k->en, &k->wait))
		write_it(k);
}

/* The VM's name with the first number that no snapshot has. */
static int make_up_name(const struct vm *vm, char *to, size_t room, struct err *e)
{
	for (uint32_t i = 1; i; i++) {
		int n = snprintf(to, room, "%s-%u", vm_name(vm), i);

		if (n < 0 || (size_t)n >= room)
			break;
		if (!snapshot_name_taken(engine_snapshots(vm_engine(vm)), to))
			return 0;
	}
	return err_set(
		e, EINVAL,
		"the name \"%s\" is too long to add a number to it: give a name for the snapshot",
		vm_name(vm));
}

int vm_snapshot(struct vm *vm, const char *name, vm_snapshot_fn *fn, void *arg, struct err *e)
{
	char own[IMAGE_NAME_MAX + 1];
	struct keeping *k;
	int rc = 0;

	rc = vm_check_save(vm, e);
	if (rc == 0 && !name)
		rc = make_up_name(vm, own, sizeof(own), e);
	if (rc < 0)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	k->en = vm_engine(vm);
	k->start_ns = clock_ns();
	k->fn = fn;
	k->arg = arg;
	memcpy(k->uuid, vm_uuid_bytes(vm), sizeof(k->uuid));
	describe(k, vm);
	rc = snapshot_new(engine_snapshots(vm_engine(vm)), name ? name : own, opened, k, e);
	if (rc < 0)
		free(k);
	return rc;
}

/* --- VMs made from snapshots --- */

struct copying {
	struct stream_wait wait;
	struct snapshot_hold hold; /* the snapshot is held while the request waits */
	struct engine *en;
	const char *why; /* why no copy of the pool was used */
	char name[VM_NAME_MAX + 1];
	uint32_t flags;
	bool has_vif;
	struct vif_config vif;
	vm_create_fn *fn;
	void *arg;
	struct stream_stats *st;
};

static int copy_now(struct engine *en, const struct snapshot *x, const struct copying *k,
		    const char *name, struct err *e)
{
	const struct restore_as as = {.name = name,
				      .snapshot = x->digest,
				      .known = !x->foreign,
				      .why = k->why,
				      .vif = k->has_vif ? &k->vif : NULL};
	stream_id id;
	int fd;
	int rc = snapshots_file(engine_snapshots(en), x, &fd, e);

	return rc < 0 ? rc : engine_restore_as(en, fd, &as, k->flags, k->fn, k->arg, k->st, &id, e);
}

static void copy_in_turn(struct stream_wait *w, bool closing)
{
	struct copying *k = (struct copying *)w;
	const struct snapshot *x = k->hold.of;
	struct vm_timings none = {0};
	struct err e = {0};
	int rc;

	snapshot_release(&k->hold);
	if (closing)
		rc = err_set(&e, ECANCELED, "chaosd is ending");
	else
		rc = copy_now(k->en, x, k, k->name, &e);
	if (rc < 0)
		k->fn(k->arg, rc, NULL, &none, &e);
	free(k);
}

int engine_create_from(struct engine *en, const char *snapshot, const char *name,
		       const struct vif_config *vif, uint32_t flags, vm_create_fn *fn, void *arg,
		       struct stream_stats *st, struct err *e)
{
	const struct snapshot *x = snapshots_find(engine_snapshots(en), snapshot, e);
	const struct vm_taking c = {
		.name = name ? name : "", .flags = flags, .vif = vif, .fn = fn, .arg = arg};
	struct copying now = {.wait = {.fn = copy_in_turn},
			      .en = en,
			      .flags = flags,
			      .has_vif = vif != NULL,
			      .fn = fn,
			      .arg = arg,
			      .st = st};
	struct copying *k;

	if (!x)
		return -ENOENT;
	*st = (struct stream_stats){.pages = x->pages, .present = x->present, .bytes = x->bytes};
	if (vif)
		now.vif = *vif;
	if (pool_boots(en, x->name) ? vm_create_booted(en, x, &c, &now.why)
				    : vm_create_copy(en, x, &c, &now.why))
		return 0;
	if (!streams_full(en))
		return copy_now(en, x, &now, name, e);
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	*k = now;
	if (name)
		(void)snprintf(k->name, sizeof(k->name), "%s", name);
	snapshot_hold(x, &k->hold, "a create that waits for its turn");
	(void)streams_wait(en, &k->wait);
	return 0;
}
