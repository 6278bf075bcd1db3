/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing the engine, in the order that start-up and shutdown need. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/fork.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/open.h"
#include "split-toolstack/engine/parts/engine-t.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* What is in them is opened by name later: they must be ours alone. */
static int prepare_folders(const struct engine_conf *c, struct err *e)
{
	const struct {
		const char *path;
		bool readers; /* others may look into it */
		bool links;   /* might be followed in it, by LMDB */
	} all[] = {{c->run_dir, true, true},
		   {c->log_dir, false, false},
		   {c->cache_dir, false, false},
		   {c->image_dir, false, true},
		   {c->sleep_dir, false, false}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int dir;
		int rc;

		if (!all[i].path)
			continue;
		dir = dir_prepare(all[i].path, all[i].readers, e);
		if (dir < 0)
			return dir;
		rc = all[i].links ? dir_refuse_links(dir, all[i].path, e) : 0;
		(void)close(dir);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_images(struct engine *en, struct err *e)
{
	struct images_conf conf = {.opener = en->opener,
				   .cache_dir = en->conf.cache_dir,
				   .store_dir = en->conf.image_dir,
				   .quota = en->conf.limits.store_kib << 10};

	int rc = images_open(&conf, &en->images, e);

	if (rc == 0)
		rc = snapshots_open(en->opener, images_store(en->images), &en->snapshots, e);
	return rc;
}

static int open_devices(struct engine *en, struct err *e)
{
	const struct devices_host host = {.store = engine_store(en),
					  .store_check_room = storehost_check_room,
					  .domain_free = drop_devices_gone,
					  .mirror_open = names_follow,
					  .mirror_news = names_news};

	return devices_open(en, &host, e);
}

static const struct guests_ops guests_ops = {.is_foreign = domain_is_foreign,
					     .rename = vm_rename,
					     .fork = fork_wanted,
					     .fork_over = fork_over,
					     .ready = vm_is_ready,
					     .orphaned = fork_orphaned};
static const struct pool_ops pool_ops = {.vm_new = vm_new, .vm_free = vm_free};
static const struct drop_ops drop_ops = {.has_devices = devices_of,
					 .forget_devices = device_unmirror_domain};

/* Those that all others expect to be there. */
static int make_parts(struct engine *en, struct err *e)
{
	int rc = life_open(en, e);

	if (rc == 0)
		rc = streams_make(en, e);
	if (rc == 0)
		rc = memory_open(en, pool_refill_soon, e);
	return rc == 0 ? devices_new(en, e) : rc;
}

static void free_parts(struct engine *en)
{
	devices_free(en);
	memory_close(en);
	streams_free(en);
	vms_close(en);
	free(en);
}

int engine_open(struct ev_loop *loop, const struct engine_conf *conf, struct engine **out,
		struct err *e)
{
	struct engine *en = calloc(1, sizeof(*en));
	int rc;

	*out = NULL;
	if (!en)
		return err_set(e, ENOMEM, "out of memory");
	en->loop = loop;
	en->conf = *conf;
	rc = make_parts(en, e);
	if (rc < 0) {
		free_parts(en);
		return rc;
	}
	/* 1. Folders and Xen. 2. Registry. 3. The host's settings, when it is known that nothing of
	 * ours is in the way, and the worker, whose threads take their CPU over. 4. Events, so that
	 * adopted VMs can be heard. 5. Deaths, before adoption looks for them: none falls
	 * between. 6. The host's store, which pool and adoption need. 7. What devices need. 8.
	 * Adoption. */
	rc = prepare_folders(conf, e);
	if (rc == 0)
		image_cache_tidy(conf->cache_dir);
	if (rc == 0)
		rc = xen_open(&en->x, e);
	if (rc == 0) {
		rc = xen_host_info(en->x, &en->host);
		if (rc < 0)
			rc = err_sys(e, -rc, "read memory and CPUs of this host from Xen");
	}
	if (rc == 0)
		rc = chores_open(en, e);
	if (rc == 0)
		rc = registry_open(conf->run_dir, &en->registry, e);
	if (rc == 0)
		rc = drops_open(en, &drop_ops, e);
	if (rc == 0)
		rc = opener_open(loop, &en->opener, e);
	if (rc == 0)
		rc = open_images(en, e);
	if (rc == 0)
		rc = slots_open(en->x, &en->slots, e);
	if (rc == 0)
		rc = tail_open(
			en->x,
			&(struct tail_conf){conf->tail_guard, conf->preempt_file, conf->run_dir},
			&en->tail, e);
	if (rc == 0)
		rc = worker_open(loop, &en->worker, e);
	if (rc == 0)
		opener_set_worker(en->opener, en->worker);
	if (rc == 0)
		rc = ports_open(loop, en->x, &en->ports, e);
	if (rc == 0)
		rc = scan_open(en, &en->deaths, e);
	if (rc == 0)
		rc = guests_open(en, &guests_ops, e);
	if (rc == 0)
		rc = pool_open(en, &pool_ops, e);
	if (rc == 0)
		rc = open_devices(en, e);
	if (rc == 0)
		rc = sleepers_open(en, e);
	if (rc == 0)
		rc = adopt_all(en, e);
	if (rc < 0) {
		engine_close(en);
		return rc;
	}
	*out = en;
	return 0;
}

/* A thread that was left behind may still fill its domain, which goes with the next daemon. */
static bool is_a_threads(const struct vm *vm, bool ended)
{
	return !ended && vm_is_restored(vm);
}

void engine_close(struct engine *en)
{
	struct vm *vm;
	bool ended;

	if (!en)
		return;
	adopt_close(en);
	if (en->x)
		pool_close(en);
	streams_end(en);
	branches_close(en);
	forks_close(en);
	sleepers_stop(en);
	saves_close(en);
	restores_close(en);
	packs_close(en);
	ended = worker_close(en->worker); /* builds and destroys under way end first */
	en->worker = NULL;
	if (!ended)
		log_line(LOG_WARN, "op=close: files that do not answer are left behind");
	if (en->opener)
		opener_set_worker(en->opener, NULL);
	idle_close(en->idle);
	en->idle = NULL;
	names_flush(en);
	vms_unhash(en);
	devices_close(en);
	while ((vm = vms_take_alive(en)) != NULL) {
		if (is_a_threads(vm, ended))
			continue;
		vm_disconnect(vm); /* it runs on */
		vm_free(vm);
	}
	while ((vm = vms_take_ended(en)) != NULL)
		if (!is_a_threads(vm, ended))
			vm_free(vm);
	pool_free(en);
	guests_close(en);
	deaths_close(en->deaths);
	ports_close(en->ports);
	slots_close(en->slots);
	snapshots_close(en->snapshots, ended);
	images_close(en->images, ended);
	drops_close(en);
	sleepers_close(en);
	registry_close(en->registry);
	tail_close(en->tail);
	opener_close(en->opener);
	xen_close(en->x);
	free_parts(en);
}

void engine_set_limits(struct engine *en, const struct engine_limits *l)
{
	en->conf.limits = *l;
	streams_limit(en);
	imagestore_set_quota(images_store(en->images), l->store_kib << 10);
	if (pool_held(en) > l->pool_kib)
		(void)pool_drop(en);
	idle_later(en->idle); /* trims the history, fills the pool */
}

const char *store_mode_name(enum store_mode mode)
{
	static const char *const names[] = {"auto", "own", "beside", "none"};

	return names[mode];
}

int engine_host(struct engine *en, struct engine_host *out, struct err *e)
{
	int rc = xen_host_info(en->x, &out->xen);

	if (rc < 0)
		return err_sys(e, -rc, "read memory and CPUs of this host from Xen");
	out->vms = vms_count(en);
	out->pool_kib = pool_held(en);
	out->slots = slots_ready(en->slots);
	tail_describe(en->tail, out->tail_guard, sizeof(out->tail_guard));
	return 0;
}

struct imagestore *engine_imagestore(struct engine *en)
{
	return images_store(en->images);
}

bool domain_is_foreign(struct engine *en, const struct xen_domain_info *info)
{
	const struct vm *vm = vm_by_uuid(en, info->uuid);

	/* While it is being built it has no more than the id to come. */
	if (vm && (vm_domid(vm) ? vm_domid(vm) : vm_slot_domid(vm)) == info->domid)
		return false;
	if (pool_has_domain(en, info) || domain_is_dropped(en, info->domid) ||
	    adopt_has_domain(en, info))
		return false;
	/* Destroyed, and something of it still held. */
	return !info->dying || !slots_has(en->slots, info->domid);
}
