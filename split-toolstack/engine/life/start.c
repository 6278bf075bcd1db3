/* SPDX-License-Identifier: BSD-3-Clause */
/* From a built domain to one that runs, and what becomes of a build that failed. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/records.h"
#include "split-toolstack/engine/vm/vm.h"

/* Everything between a loaded domain and one that runs. */
static int start(struct vm *vm, struct err *e)
{
	uint64_t since = clock_ns();
	uint64_t generation = 0; /* its first */
	int rc = 0;

	vm_set_domid(vm, vm->dom.domid);
	vm->dev_frame = vm->dom.dev_frame;
	vm->control_frame = vm->dom.control_frame;
	vm->pages = vm->dom.pages;
	vm->noxs = vm->restore ? restore_is_noxs(vm) : vm->copy_of || image_info(vm->img)->noxs;
	vm->direct = vm->noxs && (vm->restore || vm->copy_of || image_info(vm->img)->direct);
	if (vm->restore && vm->noxs)
		rc = restore_map(vm, &generation, e);
	else if (!vm->map)
		rc = domain_map(engine_xen(vm->en), vm->domid, vm->dev_frame, vm->control_frame,
				true, &vm->map, e);
	if (rc == 0)
		rc = vm->copy_of ? guest_start_copy(vm, e) : guest_start(vm, generation, e);
	if (rc == 0 && vm->restore && !vm->noxs) {
		vm_view_restored(vm);
		rc = vm_view_tell_address(vm, e);
	}
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0 && vm->dom.build) /* else it is armed */
		rc = dom_arm(engine_xen(vm->en), &vm->dom, vm->img, e);
	return rc;
}

/* Whether one that is at its gate can stay there until it runs: at once. */
static int settle_gate(struct vm *vm, struct err *e)
{
	bool at_once =
		vm->life.want != WANT_PAUSED && !(vm->devices.first && devices_gate(&vm->devices));
	int rc = vm->at_gate && !at_once ? vm_leave_gate(vm) : 0;

	return rc < 0 ? err_sys(e, -rc, "pause domain %u", vm->domid) : 0;
}

/* The final record comes before the guest's first instruction, or the first behind its gate: from
 * now on it is adopted. */
static int run(struct vm *vm, struct err *e)
{
	uint64_t since = clock_ns();
	int rc = settle_gate(vm, e);

	if (rc < 0)
		return rc;
	vm->life.now = vm->life.want == WANT_PAUSED ? NOW_PAUSED : NOW_RUNNING;
	vm->started_ns = clock_wall_ns();
	vm->reason = VM_REASON_NONE;
	vm->exit_code = -1;
	rc = vm_record(vm, e);
	vm->t.record_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0 && vm->life.has_file && devices_are_written(&vm->cfg))
		(void)sleepers_forget_first(vm);
	vm->unpaused = since = clock_ns();
	if (rc == 0 && vm->life.now == NOW_RUNNING) {
		rc = vm->devices.first || vm->at_gate
			     ? vm_let_run(vm)
			     : xen_domain_unpause(engine_xen(vm->en), vm->domid);
		if (rc < 0)
			rc = err_sys(e, -rc, "unpause domain %u", vm->domid);
	}
	memcpy(vm->t.phase_ns, vm->dom.phase_ns, sizeof(vm->t.phase_ns));
	vm->t.phase_ns[DOM_T_START] = (uint32_t)(clock_ns() - since);
	return rc;
}

static void close_file(struct vm *vm, int *fd)
{
	if (*fd >= 0)
		file_close(engine_opener(vm->en), FILE_READ, *fd);
	*fd = -1;
}

static void close_files(struct vm *vm)
{
	close_file(vm, &vm->cfg.kernel_fd);
	close_file(vm, &vm->cfg.ramdisk_fd);
	if (vm->files)
		files_drop(&vm->files);
}

void vm_unbuild(struct vm *vm)
{
	vm_drop_domain(vm);
	dom_init(&vm->dom);
	close_files(vm);
	image_put(vm->img);
	vm->img = NULL;
}

/* It could not be woken: it is as it was, and so is its file. */
static void sleeps_on(struct vm *vm, int rc, const struct err *e)
{
	vm->life.now = NOW_ASLEEP;
	vm->ready = false;
	console_log_close(vm);
	(void)vm_record(vm, NULL);
	log_line(LOG_ERROR, "op=wake name=%s: %s", vm->name, err_msg(e));
	vm_create_done(vm, rc, e);
}

/* Nothing of a failed build is left; a VM that had lived goes into the history. */
static void failed(struct vm *vm, int rc, const struct err *e)
{
	vm->life.now = NOW_ENDED;
	vm_unbuild(vm);
	if (vm->life.has_file) {
		sleeps_on(vm, rc, e);
		return;
	}
	vm_create_done(vm, rc, e);
	if (!vm->life.kept) {
		vm_unmake(vm, true);
		return;
	}
	log_line(LOG_ERROR, "op=restart name=%s: %s", vm->name, err_msg(e));
	vm->ended_ns = clock_wall_ns();
	(void)vm_record(vm, NULL);
	vm_retire(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

int life_finish(struct vm *vm, int rc, struct err *e)
{
	if (rc == 0)
		rc = run(vm, e);
	if (rc < 0) {
		failed(vm, rc, e);
		return rc;
	}
	vm->life.kept = true;
	if (vm->life.has_file) /* the record says that it runs */
		sleepers_forget(vm);
	if (vm->past_ns)
		vm_replace_old(vm);
	vm_announce(vm, VM_EV_STARTED);
	if (engine_store_mode(vm->en) == STORE_BESIDE) {
		names_changed(vm);
		deaths_hint(engine_deaths(vm->en));
	}
	if (!vm->noxs || !(vm->create.flags & VM_CREATE_WAIT_READY) || vm->life.now == NOW_PAUSED)
		vm_create_done(vm, 0, NULL);
	return 0;
}

/* The same, but one that arrives waits to be told whether it may run. */
static void is_complete(struct vm *vm, int rc, struct err *e)
{
	if (rc < 0 || !(vm->create.flags & VM_CREATE_ARRIVING)) {
		(void)life_finish(vm, rc, e);
		return;
	}
	vm->life.now = NOW_ARRIVING;
	vm_create_done(vm, 0, NULL); /* may be the end of it */
}

/* --- the create waits: with VM_CREATE_WAIT_DEVICES it ends without a device that does not come ---
 */

int life_look_at_connecting(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_timer(vm, 0.);
	return 0;
}

int life_connect_time(struct vm *vm, const struct life_news *n)
{
	struct err e = {0};
	ev_tstamp now = ev_now(engine_loop(vm->en));
	int rc = devices_there(&vm->devices, vm->cfg.ndevice, now, &vm->life.connect_until, &e);

	(void)n;
	if (rc == -EAGAIN)
		life_timer(vm, vm->life.connect_until - now);
	else
		is_complete(vm, rc, &e);
	return 0;
}

/* True: it waits for its devices first. */
static bool waits_for_devices(struct vm *vm)
{
	if (!(vm->create.flags & VM_CREATE_WAIT_DEVICES) || !vm->devices.first ||
	    !devices_lack(&vm->devices))
		return false;
	vm->life.now = NOW_CONNECTING;
	vm->life.connect_until = ev_now(engine_loop(vm->en)) + ATTACH_S;
	life_timer(vm, 0.); /* one may be broken already */
	return true;
}

/* --- it is built --- */

int life_built(struct vm *vm, const struct life_news *n)
{
	int rc = n->rc == 0 ? start(vm, n->e) : n->rc;

	if (vm->create.flags & VM_CREATE_ARRIVING && vm->restore)
		vm->create.arrival = vm->restore->id;
	vm->restore = NULL;
	vm->copy_of = NULL;
	if (rc == 0) {
		close_files(vm);
		image_put(vm->img);
		vm->img = NULL;
	}
	if (rc < 0 || !waits_for_devices(vm))
		is_complete(vm, rc, n->e);
	return 0;
}
