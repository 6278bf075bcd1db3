/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on one VM that are answered at once. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/migrate.h"

static void add_device(const struct device_info *d, void *arg)
{
	fields_device(arg, d);
}

int op_info(struct engine *en, struct request *r, struct err *e)
{
	bool asked = wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_NEEDS;
	struct save_needs n;
	struct stream_stats s;
	struct wire_out w;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	/* A VM that does not run: the message is another one. */
	asked = asked && vm_needs(vm, &n, NULL) == 0;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	fields_vm(&w, vm);
	if (asked)
		fields_needs(&w, &n);
	if (vm_save_progress(vm, &s))
		fields_stream(&w, &s);
	vm_for_each_device(vm, add_device, &w);
	reply_send(r->c, &w);
	return 0;
}

/* --- one VM, one step --- */

static void reply_name(const struct request *r, const char *name)
{
	struct wire_out w;

	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_NAME, name);
	reply_send(r->c, &w);
}

static int simple(struct engine *en, struct request *r, struct err *e, const char *name,
		  int (*step)(struct vm *vm, struct err *e))
{
	char who[VM_NAME_MAX + 1];
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	(void)snprintf(who, sizeof(who), "%s", vm_name(vm));
	rc = step(vm, e); /* the VM may be freed afterwards */
	if (rc < 0)
		return err_wrap(e, rc, "%s", name);
	reply_name(r, who);
	log_line(LOG_INFO, "op=%s name=%s uid=%u pid=%d", name, who, r->c->uid, r->c->pid);
	return 0;
}

int op_pause(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "pause", vm_pause);
}

int op_unpause(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "unpause", vm_unpause);
}

static int request_poweroff(struct vm *vm, struct err *e)
{
	return vm_shutdown(vm, false, e);
}

static int request_reboot(struct vm *vm, struct err *e)
{
	return vm_shutdown(vm, true, e);
}

int op_shutdown(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "shutdown", request_poweroff);
}

int op_reboot(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "reboot", request_reboot);
}

int op_destroy(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "destroy", vm_destroy);
}

static int force_rm(struct vm *vm, struct err *e)
{
	struct vm_info i;
	int rc = 0;

	vm_known_info(vm, &i);
	if (i.state != VM_ENDED)
		rc = vm_destroy(vm, e);
	return rc < 0 ? rc : vm_rm(vm, e);
}

int op_rm(struct engine *en, struct request *r, struct err *e)
{
	bool force = wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_FORCE;

	return simple(en, r, e, "rm", force ? force_rm : vm_rm);
}

int op_rename(struct engine *en, struct request *r, struct err *e)
{
	char name[VM_NAME_MAX + 1];
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	if (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)))
		return err_set(e, EINVAL, "rename: a name of 1 to %d characters is needed",
			       VM_NAME_MAX);
	rc = vm_rename(vm, name, e);
	if (rc < 0)
		return err_wrap(e, rc, "rename");
	reply_name(r, name);
	return 0;
}
