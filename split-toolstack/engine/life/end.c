/* SPDX-License-Identifier: BSD-3-Clause */
/* How VMs end: noticed deaths and their on_* actions, and what clients ask for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/records.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* --- the end of a VM, in both ways --- */

void life_record(struct vm *vm)
{
	struct err err = {0};

	if (vm_record(vm, &err) < 0)
		log_line(LOG_ERROR, "name=%s: %s", vm->name, err_msg(&err));
}

/* What threads build goes when they are done: abandoned(). */
void life_into_history(struct vm *vm)
{
	bool threads = life_has_threads(&vm->life);

	vm->life.want = WANT_GONE;
	vm->life.now = threads ? NOW_ABANDONED : NOW_ENDED;
	vm->ended_ns = clock_wall_ns();
	drop_note(vm->en, threads ? vm->slot.domid : vm->domid, vm->uuid);
	fork_tell_end(vm);
	life_record(vm);
	if (vm->life.has_file)
		sleepers_forget(vm);
	if (!threads)
		vm_drop_domain(vm);
	vm_retire(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

static void restart_now(struct vm *vm)
{
	vm->life.wait = WAIT_OTHERS;
	vm->create.flags = 0;
	vm->ready = false;
	vm->create.start_ns = clock_ns();
	vm_place_again(vm);
}

int life_restart(struct vm *vm, const struct life_news *n)
{
	(void)n;
	restart_now(vm);
	return 0;
}

int life_delay(struct vm *vm, const struct life_news *n)
{
	bool fast = vm->ended_ns - vm->started_ns < (uint64_t)(RESTART_MIN_S * 1e9);

	(void)n;
	life_restart_in(vm, fast ? RESTART_MIN_S : 0.); /* not inside the end of a device */
	return 0;
}

/* What boots anew has nothing of a snapshot in it. */
static void forget_snapshot(struct vm_config *c)
{
	free(c->snapshot);
	c->snapshot = NULL;
}

static void restart(struct vm *vm)
{
	uint64_t lived = clock_wall_ns() - vm->started_ns;
	uint32_t domid = vm->domid;

	vm->ended_ns = clock_wall_ns();
	vm->life.now = NOW_WAITING;
	vm->life.want = WANT_RUN;
	vm->restarts++;
	forget_snapshot(&vm->cfg);
	drop_note(vm->en, domid, vm->uuid);
	life_record(vm);
	vm_drop_domain(vm);
	vm->life.wait = WAIT_OWN;
	if (vm->cfg.ndevice &&
	    devices_wait(vm->en, &vm->devices, domid)) /* its disks are still in use */
		return;
	if (lived >= (uint64_t)(RESTART_MIN_S * 1e9))
		restart_now(vm);
	else
		life_restart_in(vm, RESTART_MIN_S);
}

static void ignore_create(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
			  const struct err *e)
{
	(void)arg;
	(void)t;
	(void)vm;
	if (rc < 0)
		log_line(LOG_ERROR, "op=rename-restart: %s", err_msg(e));
}

/* The domain stays under another name, to be examined; a new VM takes the name. */
static void rename_restart(struct vm *vm)
{
	struct vm_config c;
	struct err err = {0};
	char name[VM_NAME_MAX + 1];

	vm->life.now = NOW_PRESERVED;
	if (vm_config_copy(&c, &vm->cfg) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: out of memory", vm->name);
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	forget_snapshot(&c);
	memcpy(c.name, vm->name, sizeof(c.name));
	(void)snprintf(name, sizeof(name), "%.*s-%u", VM_NAME_MAX - 8, vm->name, vm->domid);
	if (vm_rename(vm, name, &err) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: %s", vm->name, err_msg(&err));
		vm_config_clear(&c);
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	vm_announce(vm, VM_EV_PRESERVED);
	(void)reservations_take(vm, NULL); /* without its MACs */
	engine_create(vm->en, &c, VM_CREATE_RESTART, ignore_create, NULL);
}

static void classify(struct vm *vm, const struct xen_domain_info *info)
{
	struct noxs_guest_words w = {0};

	vm->reason = VM_REASON_LOST;
	vm->exit_code = -1;
	if (!info || !info->shutdown)
		return;
	if (vm->noxs && control_is_open(vm))
		control_words(vm, &w);
	switch (info->shutdown_reason) {
	case SHUTDOWN_poweroff:
		vm->reason = VM_REASON_POWEROFF;
		vm->exit_code = vm->noxs ? (int)w.exit_code : 0;
		break;
	case SHUTDOWN_reboot:
		vm->reason = VM_REASON_REBOOT;
		break;
	case SHUTDOWN_suspend:
		vm->reason = VM_REASON_SUSPEND;
		break;
	case SHUTDOWN_watchdog:
		vm->reason = VM_REASON_WATCHDOG;
		break;
	default:
		vm->reason = VM_REASON_CRASH;
		break;
	}
}

static enum vm_action action_for(const struct vm *vm)
{
	switch (vm->reason) {
	case VM_REASON_POWEROFF:
		return vm->cfg.on_poweroff;
	case VM_REASON_REBOOT:
		return vm->cfg.on_reboot;
	case VM_REASON_CRASH:
	case VM_REASON_WATCHDOG:
		return vm->cfg.on_crash;
	case VM_REASON_NONE:
	case VM_REASON_SUSPEND:
	case VM_REASON_DESTROYED:
	case VM_REASON_LOST:
	case VM_REASON_SAVED:
	case VM_REASON_MIGRATED:
		break;
	}
	return VM_DESTROY;
}

int life_end_unknown(struct vm *vm, const struct life_news *n)
{
	(void)n;
	adopt_soon(vm->en);
	return 0;
}

int life_end_kept(struct vm *vm, const struct life_news *n)
{
	if (!n->info || n->info->dying) /* not by us */
		life_into_history(vm);
	return 0;
}

void life_resume_later(struct vm *vm, int rc)
{
	log_line(LOG_ERROR, "op=resume dom=%u name=%s: %s; it is tried again", vm->domid, vm->name,
		 strerror(-rc));
	control_expect_suspend(vm);
	life_timer(vm, RESUME_AGAIN_S);
}

int life_resume_time(struct vm *vm, const struct life_news *n)
{
	struct xen_domain_info info;
	const struct life_news seen = {.info = &info};
	int rc = vm_check_domain(vm);

	(void)n;
	if (rc == 0)
		rc = xen_domain_info(engine_xen(vm->en), vm->domid, &info);
	if (rc < 0 && rc != -ESRCH) /* else that is noticed as any end */
		life_resume_later(vm, rc);
	return rc == 0 && info.shutdown ? life_end(vm, &seen) : 0;
}

/* It did what a save had asked for that is over: it goes on. */
static bool resume_late(struct vm *vm, const struct life_news *n)
{
	int rc;

	if (!n->info || n->info->dying || !n->info->shutdown ||
	    n->info->shutdown_reason != SHUTDOWN_suspend || !control_suspend_was_asked(vm))
		return false;
	rc = vm->life.now == NOW_PAUSED && !n->info->paused
		     ? xen_domain_pause(engine_xen(vm->en), vm->domid)
		     : 0;
	if (rc == 0)
		rc = xen_domain_resume(engine_xen(vm->en), vm->domid);
	if (rc < 0)
		life_resume_later(vm, rc);
	else
		log_line(LOG_INFO, "op=resume dom=%u name=%s: it has suspended late", vm->domid,
			 vm->name);
	return true;
}

int life_end(struct vm *vm, const struct life_news *n)
{
	if (resume_late(vm, n))
		return 0;
	if (control_is_open(vm))
		vm_look(vm); /* its last words */
	life_timer_stop(vm);
	classify(vm, n->info);
	vm->ended_ns = clock_wall_ns();
	log_line(LOG_INFO, "op=exited dom=%u name=%s reason=%s code=%d", vm->domid, vm->name,
		 vm_reason_name(vm->reason), vm->exit_code);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	switch (action_for(vm)) {
	case VM_DESTROY:
		life_into_history(vm);
		break;
	case VM_PRESERVE:
		vm->life.now = NOW_PRESERVED;
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		break;
	case VM_RESTART:
		restart(vm);
		break;
	case VM_RENAME_RESTART:
		rename_restart(vm);
		break;
	}
	return 0;
}

/* --- operations --- */

int vm_rename(struct vm *vm, const char *name, struct err *e)
{
	struct vm_config probe = vm->cfg;
	const struct vm *other;
	int rc;

	if (life_is_over(&vm->life))
		return err_set(e, ESRCH, "\"%s\" has ended", vm->name);
	if (vm->life.now == NOW_SAVING) /* the file has its name */
		return life_refuse_saving(vm, &(struct life_news){.e = e});
	if (vm_state(vm) == VM_ASLEEP) /* likewise */
		return life_refuse_asleep(vm, &(struct life_news){.e = e});
	if (vm->life.now == NOW_MOVING)
		return life_refuse_moving(vm, &(struct life_news){.e = e});
	if (*name == '\0' || strlen(name) > VM_NAME_MAX)
		return err_set(e, EINVAL, "name: 1 to %d characters", VM_NAME_MAX);
	(void)snprintf(probe.name, sizeof(probe.name), "%s", name);
	rc = vm_config_check_built(&probe, e);
	if (rc < 0)
		return rc;
	other = vm_by_name(vm->en, name);
	if (other == vm)
		return 0;
	if (other)
		return err_set(e, EEXIST, "name \"%s\": taken by domain %u", name, other->domid);
	rc = names_check(vm->en, name, e);
	if (rc < 0)
		return rc;
	vm_set_name(vm, probe.name);
	life_record(vm);
	vm_view_renamed(vm);
	names_changed(vm);
	vm_announce(vm, VM_EV_RENAMED);
	return 0;
}

int life_need_domain(struct vm *vm, struct err *e)
{
	const struct life_news n = {.e = e};

	switch (vm_state(vm)) {
	case VM_RUNNING:
	case VM_PAUSED:
		break;
	case VM_BUILDING:
		return life_refuse_built(vm, &n);
	case VM_UNKNOWN:
		return life_refuse_unknown(vm, &n);
	case VM_SAVING:
		return life_refuse_saving(vm, &n);
	case VM_ASLEEP:
		return life_refuse_asleep(vm, &n);
	case VM_MOVING:
		return life_refuse_moving(vm, &n);
	case VM_ENDED_PRESERVED:
	case VM_ENDED:
		return life_refuse_ended(vm, &n);
	}
	return 0;
}

int vm_shutdown(struct vm *vm, bool reboot, struct err *e)
{
	int rc = life_need_domain(vm, e);

	if (rc < 0)
		return rc;
	if (!vm->noxs)
		return vm_view_shutdown(vm, reboot, e);
	return control_request(vm, reboot ? NOXS_REQ_REBOOT : NOXS_REQ_POWEROFF, e);
}

/* It is being built, or waits for others' devices, and its client with it. */
static void create_no_more(struct vm *vm)
{
	const char *what = vm->life.now == NOW_WAKING	 ? "was woken"
			   : life_has_threads(&vm->life) ? "was built"
			   : files_busy(vm->files)	 ? "waited for its files to be opened"
							 : "waited for its devices";
	struct err e = {0};
	int rc = err_set(&e, ECANCELED, "\"%s\" was destroyed while it %s", vm->name, what);

	if (vm->life.now == NOW_NEW)
		vm_announce(vm, VM_EV_CREATED);
	vm_create_done(vm, rc, &e);
}

int life_destroy_waiting(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_timer_stop(vm);
	devices_wait_no_more(vm->en, &vm->devices);
	teardown_wait_end(vm->en, &vm->teardown_wait);
	if (vm->restore)
		restore_cancel(vm);
	create_no_more(vm);
	if (!life_has_threads(&vm->life)) /* else they use them */
		files_drop(&vm->files);
	vm->reason = VM_REASON_DESTROYED;
	life_into_history(vm);
	return 0;
}

int life_stop(struct vm *vm, struct err *e)
{
	int rc = vm->domid ? vm_check_domain(vm) : -ESRCH;

	if (rc == 0)
		rc = xen_domain_pause(engine_xen(vm->en), vm->domid);
	return rc < 0 && rc != -ESRCH ? err_sys(e, -rc, "pause \"%s\"", vm->name) : 0;
}

void life_destroyed(struct vm *vm)
{
	if (vm->life.now == NOW_UNKNOWN)
		adopt_soon(vm->en); /* its devices */
	if (control_is_open(vm))
		vm_look(vm);
	vm->reason = VM_REASON_DESTROYED;
	vm->exit_code = -1;
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	life_into_history(vm);
}

int life_destroy_living(struct vm *vm, const struct life_news *n)
{
	int rc = life_stop(vm, n->e);

	if (rc == 0)
		life_destroyed(vm);
	return rc;
}

int life_destroy_kept(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_into_history(vm);
	return 0;
}

int vm_destroy(struct vm *vm, struct err *e)
{
	return life_event(vm, LIFE_DESTROY, &(struct life_news){.e = e});
}

int vm_rm(struct vm *vm, struct err *e)
{
	if (!life_is_over(&vm->life))
		return err_set(e, EBUSY, "\"%s\" is %s: destroy it first, or use --force", vm->name,
			       vm_state_name(vm_state(vm)));
	vm_forget(vm);
	return 0;
}
