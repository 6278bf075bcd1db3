/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts a VM after its build, or removes it if the build has failed. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

/* Everything between loading the domain and running it. */
static int start(struct vm *vm, struct err *e)
{
	struct life *life = vm_life(vm);
	bool saved = life->restore || life->copy_of;
	uint64_t since = clock_ns();
	uint64_t generation = 0; /* its first generation */
	bool noxs;
	int rc;

	noxs = life->restore ? restore_is_noxs(vm) : saved || image_info(life->img)->noxs;
	vm_is_built(vm, noxs, noxs && (saved || image_info(life->img)->direct));
	rc = life->restore && noxs ? restore_map(vm, &generation, e) : vm_map_pages(vm, true, e);
	if (rc == 0)
		rc = life->copy_of ? guest_start_copy(vm, e) : guest_start(vm, generation, e);
	if (rc == 0 && life->restore && !noxs) {
		guest_store_restored(vm);
		rc = guest_store_tell_address(vm, e);
	}
	life->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0 && dom_is_unarmed(vm_dom(vm)))
		rc = dom_arm(engine_xen(vm_engine(vm)), vm_change_dom(vm), life->img, e);
	return rc;
}

/* A guest at its gate stays there if it may run at once; otherwise the domain is paused and the
 * gate opened. */
static int settle_gate(struct vm *vm, struct err *e)
{
	bool at_once = life_want(vm) != WANT_PAUSED &&
		       !(devices_any(vm_devices(vm)) && devices_gate(vm_devices(vm)));
	int rc = vm_at_gate(vm) && !at_once ? vm_leave_gate(vm) : 0;

	return rc < 0 ? err_sys(e, -rc, "pause domain %u", vm_domid(vm)) : 0;
}

/* The final record is written before the guest's first instruction, or its first one after the
 * gate: from now on the next daemon adopts the VM. */
static int run(struct vm *vm, struct err *e)
{
	struct life *life = vm_life(vm);
	uint64_t since = clock_ns();
	int rc = settle_gate(vm, e);

	if (rc < 0)
		return rc;
	vm_is_started(vm);
	rc = vm_record(vm, e);
	life->t.record_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0 && life->has_file && devices_are_written(vm_cfg(vm)))
		(void)sleepers_forget_first(vm);
	life->unpaused = since = clock_ns();
	if (rc == 0 && life_now(vm) == NOW_RUNNING) {
		rc = devices_any(vm_devices(vm)) || vm_at_gate(vm)
			     ? vm_let_run(vm)
			     : xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm));
		if (rc < 0)
			rc = err_sys(e, -rc, "unpause domain %u", vm_domid(vm));
	}
	memcpy(life->t.phase_ns, vm_dom(vm)->phase_ns, sizeof(life->t.phase_ns));
	life->t.phase_ns[DOM_T_START] = (uint32_t)(clock_ns() - since);
	return rc;
}

static void close_file(struct vm *vm, int *fd)
{
	if (*fd >= 0)
		file_close(engine_opener(vm_engine(vm)), FILE_READ, *fd);
	*fd = -1;
}

static void close_files(struct vm *vm)
{
	close_file(vm, &vm_change_cfg(vm)->kernel_fd);
	close_file(vm, &vm_change_cfg(vm)->ramdisk_fd);
	if (*vm_files(vm))
		files_drop(vm_files(vm));
}

void vm_unbuild(struct vm *vm)
{
	struct life *life = vm_life(vm);

	vm_drop_domain(vm);
	dom_init(vm_change_dom(vm));
	close_files(vm);
	image_put(life->img);
	life->img = NULL;
}

/* The wake has failed: the VM stays asleep, and its file does not change. */
static void wake_failed(struct vm *vm, int rc, const struct err *e)
{
	life_go(vm, NOW_ASLEEP);
	vm_set_ready(vm, false);
	console_log_close(vm);
	(void)vm_record(vm, NULL);
	log_line(LOG_ERROR, "op=wake name=%s: %s", vm_name(vm), err_msg(e));
	vm_create_done(vm, rc, e);
}

/* Removes everything of a failed build; a VM that ran before is moved into the history. */
static void failed(struct vm *vm, int rc, const struct err *e)
{
	life_go(vm, NOW_ENDED);
	vm_unbuild(vm);
	if (vm_life(vm)->has_file) {
		wake_failed(vm, rc, e);
		return;
	}
	vm_create_done(vm, rc, e);
	if (!life_is_kept(vm)) {
		vm_unmake(vm, true);
		return;
	}
	log_line(LOG_ERROR, "op=restart name=%s: %s", vm_name(vm), err_msg(e));
	vm_ends(vm);
	(void)vm_record(vm, NULL);
	vm_archive(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

int life_finish(struct vm *vm, int rc, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);

	if (rc == 0)
		rc = run(vm, e);
	if (rc < 0) {
		failed(vm, rc, e);
		return rc;
	}
	life_keep(vm);
	if (life->has_file) /* the record says that it runs */
		sleepers_forget(vm);
	if (vm_is_of_past(vm))
		vm_replace_old(vm);
	vm_announce(vm, VM_EV_STARTED);
	if (engine_store_mode(en) == STORE_BESIDE) {
		names_changed(vm);
		deaths_hint(engine_deaths(en));
	}
	if (!vm_has_noxs(vm) || !(life->create.flags & VM_CREATE_WAIT_READY) ||
	    life_now(vm) == NOW_PAUSED)
		vm_create_done(vm, 0, NULL);
	return 0;
}

/* The same, but a VM that arrives from another host waits for the permission to run. */
static void is_complete(struct vm *vm, int rc, struct err *e)
{
	if (rc < 0 || !(vm_life(vm)->create.flags & VM_CREATE_ARRIVING)) {
		(void)life_finish(vm, rc, e);
		return;
	}
	life_go(vm, NOW_ARRIVING);
	vm_create_done(vm, 0, NULL); /* may remove the VM */
}

/* --- creates with VM_CREATE_WAIT_DEVICES wait for devices, and fail if one does not connect --- */

int life_look_at_connecting(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_timer(vm, 0.);
	return 0;
}

int life_connect_time(struct vm *vm, const struct life_news *n)
{
	struct life *life = vm_life(vm);
	struct err e = {0};
	ev_tstamp now = ev_now(engine_loop(vm_engine(vm)));
	int rc = devices_there(vm_devices(vm), vm_cfg(vm)->ndevice, now, &life->connect_until, &e);

	(void)n;
	if (rc == -EAGAIN)
		life_timer(vm, life->connect_until - now);
	else
		is_complete(vm, rc, &e);
	return 0;
}

/* True: the create waits for devices first. */
static bool waits_for_devices(struct vm *vm)
{
	struct life *life = vm_life(vm);

	if (!(life->create.flags & VM_CREATE_WAIT_DEVICES) || !devices_any(vm_devices(vm)) ||
	    !devices_lack(vm_devices(vm)))
		return false;
	life_go(vm, NOW_CONNECTING);
	life->connect_until = ev_now(engine_loop(vm_engine(vm))) + ATTACH_S;
	life_timer(vm, 0.); /* a device may be broken already */
	return true;
}

/* --- after the build --- */

int life_built(struct vm *vm, const struct life_news *n)
{
	struct life *life = vm_life(vm);
	int rc = n->rc == 0 ? start(vm, n->e) : n->rc;

	if (life->create.flags & VM_CREATE_ARRIVING && life->restore)
		life->create.arrival = life->restore->id;
	life->restore = NULL;
	life->copy_of = NULL;
	if (rc == 0) {
		close_files(vm);
		image_put(life->img);
		life->img = NULL;
	}
	if (rc < 0 || !waits_for_devices(vm))
		is_complete(vm, rc, n->e);
	return 0;
}
