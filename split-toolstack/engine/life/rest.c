/* SPDX-License-Identifier: BSD-3-Clause */
/* Stops a guest that is to be saved. */
#include <errno.h>

#include "base/clock.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* A guest can be written when all of its vCPUs are blocked, as they are in an idle guest, or when
 * it has suspended after a request. The guest is paused and its vCPUs are examined. If one is not
 * blocked, the guest is unpaused, and gets a request to suspend, or is examined again a little
 * later. */

#define LOOK_S 0.002 /* between two examinations of a guest that gets no request */

/* A guest with a store and without a noxs entry. */
static int check_linux(const struct vm *vm, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	const char *why = NULL;

	if (c->type == DOM_PV && engine_store_mode(vm_engine(vm)) != STORE_OWN)
		why = "its image has no noxs entry, and a PV guest is only saved if chaosd is the "
		      "store (store=own)";
	else if (c->maxmem_kib > c->mem_kib)
		why = "maxmem is larger than memory";
	else if (!guest_store_can_suspend(vm))
		why = "its guest does not say that it suspends itself on request "
		      "(control/feature-suspend)";
	if (why)
		return err_set(e, EOPNOTSUPP, "\"%s\" cannot be saved: %s", vm_name(vm), why);
	return save_check_paths(vm, e);
}

int save_check_vm(struct vm *vm, bool bare, struct err *e)
{
	int rc = vm_check_domain(vm);

	if (rc < 0)
		return life_failed_to("save", vm, rc, e);
	if (!vm_has_noxs(vm))
		return check_linux(vm, e);
	if (!vm_is_direct(vm))
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" cannot be saved: its image has a device page, but no noxs "
			       "entry",
			       vm_name(vm));
	rc = control_check_save(vm, e);
	if (rc < 0)
		return err_wrap(e, rc, "\"%s\"", vm_name(vm));
	rc = save_check_devices(vm, bare, e);
	if (rc < 0)
		return rc;
	return control_is_unheard(vm) ? vm_listen(vm, e) : 0;
}

int save_pause_blocked(struct vm *vm, struct vm_save *s, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct xen_domain_info info = {0};
	int rc = xen_domain_info(engine_xen(en), vm_domid(vm), &info);

	if (rc == 0 && !info.paused) {
		s->stop_ns = clock_ns();
		rc = xen_domain_pause(engine_xen(en), vm_domid(vm));
		s->paused = rc == 0;
		if (rc == 0)
			rc = xen_domain_info(engine_xen(en), vm_domid(vm), &info);
	}
	if (rc < 0)
		return life_failed_to("pause", vm, rc, e);
	if (info.blocked)
		return 1;
	if (!s->paused)
		return err_set(
			e, EBUSY,
			"\"%s\" was paused while a vCPU was working: unpause it, then save it",
			vm_name(vm));
	rc = xen_domain_unpause(engine_xen(en), vm_domid(vm));
	s->paused = rc < 0;
	return rc < 0 ? life_failed_to("unpause", vm, rc, e) : 0;
}

static int request_suspend(struct vm *vm, struct err *e)
{
	int rc = control_request(vm, NOXS_REQ_SUSPEND, e);

	deaths_hint(engine_deaths(vm_engine(vm)));
	return rc;
}

/* --- guests with a store --- */

static int rest_linux(struct vm *vm, struct vm_save *s, struct err *e)
{
	struct engine *en = vm_engine(vm);
	int rc;

	if (s->was == NOW_PAUSED)
		return err_set(e, EBUSY,
			       "\"%s\" is paused, but its guest must run to suspend itself: "
			       "unpause it, then save it",
			       vm_name(vm));
	rc = guest_store_suspend(vm, e);
	if (rc < 0)
		return rc;
	control_expect_suspend(vm);
	deaths_hint(engine_deaths(en));
	s->rest_until = ev_now(engine_loop(en)) + REST_LINUX_S;
	life_timer(vm, REST_LINUX_S);
	return 0;
}

/* --- all guests --- */

int save_rest(struct vm *vm, struct vm_save *s, struct err *e)
{
	bool can = control_can_suspend(vm);
	bool disks = !s->bare && save_has_disks(vm);
	int rc = 0;

	if (!vm_has_noxs(vm))
		return rest_linux(vm, s, e);
	if (disks && s->was == NOW_PAUSED)
		return err_set(e, EBUSY,
			       "\"%s\" is paused, and requests to its disks may be open: unpause "
			       "it, then save it",
			       vm_name(vm));
	if (!disks)
		rc = save_pause_blocked(vm, s, e);
	if (rc != 0)
		return rc;
	if (can)
		rc = request_suspend(vm, e);
	if (rc == 0)
		life_timer(vm, can ? REST_S : LOOK_S);
	return rc;
}

/* Ends a save that the last daemon did not finish: resumes the guest if it has suspended, and
 * switches off the log of its writes. */
int save_end_left(const struct vm *vm, const struct xen_domain_info *info, struct err *e)
{
	struct engine *en = vm_engine(vm);
	int rc = 0;

	if (vm_was(vm) != VM_SAVING)
		return 0;
	if (vm_cfg(vm)->type == DOM_PVH)
		rc = xen_dirty_stop(engine_xen(en), vm_domid(vm));
	if (rc < 0)
		return err_sys(e, -rc, "switch off the log-dirty mode of domain %u", vm_domid(vm));
	if (!info->shutdown || info->shutdown_reason != SHUTDOWN_suspend)
		return 0;
	rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	return rc < 0 ? err_sys(e, -rc, "resume domain %u", vm_domid(vm)) : 0;
}
