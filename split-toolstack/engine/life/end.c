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
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* --- the end of a VM, in both ways --- */

void life_record(struct vm *vm)
{
	struct err err = {0};

	if (vm_record(vm, &err) < 0)
		log_line(LOG_ERROR, "name=%s: %s", vm_name(vm), err_msg(&err));
}

/* What threads build goes when they are done: abandoned(). */
void life_into_history(struct vm *vm)
{
	bool threads = life_has_threads(vm);

	life_go_as(vm, threads ? NOW_ABANDONED : NOW_ENDED, WANT_GONE);
	vm_ends(vm);
	drop_note(vm_engine(vm), threads ? vm_slot_domid(vm) : vm_domid(vm), vm_uuid_bytes(vm));
	fork_tell_end(vm);
	life_record(vm);
	if (vm_life(vm)->has_file)
		sleepers_forget(vm);
	if (!threads)
		vm_drop_domain(vm);
	vm_archive(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

static void restart_now(struct vm *vm)
{
	struct life *life = vm_life(vm);

	life_wait_for(vm, WAIT_OTHERS);
	life->create.flags = 0;
	vm_set_ready(vm, false);
	life->create.start_ns = clock_ns();
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
	bool fast = vm_ended_ns(vm) - vm_started_ns(vm) < (uint64_t)(RESTART_MIN_S * 1e9);

	(void)n;
	life_restart_in(vm, fast ? RESTART_MIN_S : 0.); /* not inside the end of a device */
	return 0;
}

static void restart(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	uint64_t lived = clock_wall_ns() - vm_started_ns(vm);
	uint32_t domid = vm_domid(vm);

	vm_ends_to_restart(vm);
	vm_config_set_snapshot(vm_change_cfg(vm), NULL); /* it boots anew */
	drop_note(en, domid, vm_uuid_bytes(vm));
	life_record(vm);
	vm_drop_domain(vm);
	life_wait_for(vm, WAIT_OWN);
	if (vm_cfg(vm)->ndevice &&
	    devices_wait(en, vm_devices(vm), domid)) /* its disks are still in use */
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

	life_go(vm, NOW_PRESERVED);
	if (vm_config_copy(&c, vm_cfg(vm)) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: out of memory", vm_name(vm));
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	vm_config_set_snapshot(&c, NULL);
	memcpy(c.name, vm_name(vm), sizeof(c.name));
	(void)snprintf(name, sizeof(name), "%.*s-%u", VM_NAME_MAX - 8, vm_name(vm), vm_domid(vm));
	if (vm_rename(vm, name, &err) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: %s", vm_name(vm), err_msg(&err));
		vm_config_clear(&c);
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	vm_announce(vm, VM_EV_PRESERVED);
	(void)reservations_take(vm, NULL); /* without its MACs */
	engine_create(vm_engine(vm), &c, VM_CREATE_RESTART, ignore_create, NULL);
}

static enum vm_reason reason_of(const struct vm *vm, const struct xen_domain_info *info, int *code)
{
	struct noxs_guest_words w = {0};

	*code = -1;
	if (!info || !info->shutdown)
		return VM_REASON_LOST;
	if (vm_has_noxs(vm) && control_is_open(vm))
		control_words(vm, &w);
	switch (info->shutdown_reason) {
	case SHUTDOWN_poweroff:
		*code = vm_has_noxs(vm) ? (int)w.exit_code : 0;
		return VM_REASON_POWEROFF;
	case SHUTDOWN_reboot:
		return VM_REASON_REBOOT;
	case SHUTDOWN_suspend:
		return VM_REASON_SUSPEND;
	case SHUTDOWN_watchdog:
		return VM_REASON_WATCHDOG;
	default:
		return VM_REASON_CRASH;
	}
}

static enum vm_action action_for(const struct vm *vm, enum vm_reason reason)
{
	const struct vm_config *c = vm_cfg(vm);

	switch (reason) {
	case VM_REASON_POWEROFF:
		return c->on_poweroff;
	case VM_REASON_REBOOT:
		return c->on_reboot;
	case VM_REASON_CRASH:
	case VM_REASON_WATCHDOG:
		return c->on_crash;
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
	adopt_soon(vm_engine(vm));
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
	log_line(LOG_ERROR, "op=resume dom=%u name=%s: %s; chaosd tries again", vm_domid(vm),
		 vm_name(vm), strerror(-rc));
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
		rc = xen_domain_info(engine_xen(vm_engine(vm)), vm_domid(vm), &info);
	if (rc < 0 && rc != -ESRCH) /* else that is noticed as any end */
		life_resume_later(vm, rc);
	return rc == 0 && info.shutdown ? life_end(vm, &seen) : 0;
}

/* It did what a save had asked for that is over: it goes on. */
static bool resume_late(struct vm *vm, const struct life_news *n)
{
	struct engine *en = vm_engine(vm);
	int rc;

	if (!n->info || n->info->dying || !n->info->shutdown ||
	    n->info->shutdown_reason != SHUTDOWN_suspend || !control_suspend_was_asked(vm))
		return false;
	rc = life_now(vm) == NOW_PAUSED && !n->info->paused
		     ? xen_domain_pause(engine_xen(en), vm_domid(vm))
		     : 0;
	if (rc == 0)
		rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	if (rc < 0)
		life_resume_later(vm, rc);
	else
		log_line(LOG_INFO, "op=resume dom=%u name=%s: it has suspended late", vm_domid(vm),
			 vm_name(vm));
	return true;
}

int life_end(struct vm *vm, const struct life_news *n)
{
	enum vm_reason reason;
	int code;

	if (resume_late(vm, n))
		return 0;
	if (control_is_open(vm))
		vm_look(vm); /* its last words */
	life_timer_stop(vm);
	reason = reason_of(vm, n->info, &code);
	vm_has_reason(vm, reason, code);
	vm_ends(vm);
	log_line(LOG_INFO, "op=exited dom=%u name=%s reason=%s code=%d", vm_domid(vm), vm_name(vm),
		 vm_reason_name(reason), code);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	switch (action_for(vm, reason)) {
	case VM_DESTROY:
		life_into_history(vm);
		break;
	case VM_PRESERVE:
		life_go(vm, NOW_PRESERVED);
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
	struct engine *en = vm_engine(vm);
	struct vm_config probe = *vm_cfg(vm);
	const struct vm *other;
	int rc;

	if (life_is_over(vm))
		return err_set(e, ESRCH, "\"%s\" has ended", vm_name(vm));
	if (life_now(vm) == NOW_SAVING) /* the file has its name */
		return life_refuse_saving(vm, &(struct life_news){.e = e});
	if (vm_state(vm) == VM_ASLEEP) /* likewise */
		return life_refuse_asleep(vm, &(struct life_news){.e = e});
	if (life_now(vm) == NOW_MOVING)
		return life_refuse_moving(vm, &(struct life_news){.e = e});
	if (*name == '\0' || strlen(name) > VM_NAME_MAX)
		return err_set(e, EINVAL, "name: must have 1 to %d characters", VM_NAME_MAX);
	(void)snprintf(probe.name, sizeof(probe.name), "%s", name);
	rc = vm_config_check_built(&probe, e);
	if (rc < 0)
		return rc;
	other = vm_by_name(en, name);
	if (other == vm)
		return 0;
	if (other)
		return err_set(e, EEXIST, "name \"%s\": taken by domain %u", name, vm_domid(other));
	rc = names_check(en, name, e);
	if (rc < 0)
		return rc;
	vm_set_name(vm, probe.name);
	life_record(vm);
	guest_store_renamed(vm);
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
	if (!vm_has_noxs(vm))
		return guest_store_shutdown(vm, reboot, e);
	return control_request(vm, reboot ? NOXS_REQ_REBOOT : NOXS_REQ_POWEROFF, e);
}

/* It is being built, or waits for others' devices, and its client with it. */
static void create_no_more(struct vm *vm)
{
	const char *what = life_now(vm) == NOW_WAKING  ? "was woken"
			   : life_has_threads(vm)      ? "was built"
			   : files_busy(*vm_files(vm)) ? "waited for its files to be opened"
						       : "waited for its devices";
	struct err e = {0};
	int rc = err_set(&e, ECANCELED, "\"%s\" was destroyed while it %s", vm_name(vm), what);

	if (life_now(vm) == NOW_NEW)
		vm_announce(vm, VM_EV_CREATED);
	vm_create_done(vm, rc, &e);
}

int life_destroy_waiting(struct vm *vm, const struct life_news *n)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	int code;

	(void)n;
	life_timer_stop(vm);
	devices_wait_no_more(en, vm_devices(vm));
	teardown_wait_end(en, &life->teardown_wait);
	if (life->restore)
		restore_cancel(vm);
	create_no_more(vm);
	if (!life_has_threads(vm)) /* else they use them */
		files_drop(vm_files(vm));
	(void)vm_reason(vm, &code); /* of its last end */
	vm_has_reason(vm, VM_REASON_DESTROYED, code);
	life_into_history(vm);
	return 0;
}

int life_stop(struct vm *vm, struct err *e)
{
	int rc = vm_domid(vm) ? vm_check_domain(vm) : -ESRCH;

	if (rc == 0)
		rc = xen_domain_pause(engine_xen(vm_engine(vm)), vm_domid(vm));
	return rc < 0 && rc != -ESRCH ? err_sys(e, -rc, "pause \"%s\"", vm_name(vm)) : 0;
}

void life_destroyed(struct vm *vm)
{
	if (life_now(vm) == NOW_UNKNOWN)
		adopt_soon(vm_engine(vm)); /* its devices */
	if (control_is_open(vm))
		vm_look(vm);
	vm_has_reason(vm, VM_REASON_DESTROYED, -1);
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
	if (!life_is_over(vm))
		return err_set(e, EBUSY, "\"%s\" is %s: destroy it first, or use --force",
			       vm_name(vm), vm_state_name(vm_state(vm)));
	vm_delete(vm);
	return 0;
}
