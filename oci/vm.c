/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of libchaos, one a connection. */
#include "oci/vm.h"

#include <errno.h>
#include <string.h>

int vm_call(const struct chaos_request *rq, struct chaos_reply *r, struct err *e)
{
	struct chaos_error ce = {0};
	struct chaos *c;
	int rc = chaos_open(&c, NULL, &ce);

	r->error = -rc;
	if (rc == 0) {
		rc = chaos_call(c, rq, r, NULL, NULL, &ce);
		chaos_close(c);
	}
	return rc < 0 ? err_set(e, -rc, "%s", ce.message) : 0;
}

int vm_make(const struct plan *p, bool *there, struct err *e)
{
	static struct chaos_reply r; /* it is large */
	struct chaos_request rq;
	int rc;

	chaos_request_init(&rq, CHAOS_CREATE);
	rq.set = (const char *const *)p->set;
	rq.kernel_fd = p->kernel_fd;
	rq.ramdisk_fd = p->initrd_fd;
	rq.flags = p->initrd_fd < 0 ? CHAOS_PAUSED : 0;
	rc = vm_call(&rq, &r, e);
	*there = rc == 0 || r.error == 0;
	return rc;
}

int vm_ask(enum chaos_op op, uint32_t flags, const char *uuid, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;

	chaos_request_init(&rq, op);
	rq.vm = uuid;
	rq.flags = flags;
	return vm_call(&rq, &r, e);
}

int vm_kill(const char *uuid, int number, int *killed, struct err *e)
{
	int rc;

	*killed = number; /* its end may be told before this is answered */
	rc = vm_ask(CHAOS_DESTROY, 0, uuid, e);
	if (rc == -ESRCH)
		return 0;
	if (rc < 0)
		*killed = 0;
	return rc;
}

int vm_remove(const char *uuid, struct err *e)
{
	int rc = vm_ask(CHAOS_RM, CHAOS_FORCE, uuid, e);

	return rc == -ESRCH ? 0 : rc;
}

int vm_info(const char *uuid, struct chaos_vm *out, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	int rc;

	chaos_request_init(&rq, CHAOS_INFO);
	rq.vm = uuid;
	rc = vm_call(&rq, &r, e);
	if (rc == 0 && !r.has_vm)
		rc = err_set(e, EPROTO, "chaosd's answer does not describe the VM");
	if (rc == 0)
		*out = r.vm;
	return rc;
}

int vm_set(const char *uuid, const char *const *set, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;

	chaos_request_init(&rq, CHAOS_SET);
	rq.vm = uuid;
	rq.set = set;
	return vm_call(&rq, &r, e);
}

int vm_attach(const char *uuid, const char *disk, struct err *e)
{
	static struct chaos_reply r;
	const char *set[] = {disk, NULL};
	struct chaos_request rq;

	chaos_request_init(&rq, CHAOS_ATTACH);
	rq.vm = uuid;
	rq.set = set;
	return vm_call(&rq, &r, e);
}

int vm_detach(const char *uuid, const char *vdev, uint32_t flags, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	int rc;

	chaos_request_init(&rq, CHAOS_DETACH);
	rq.vm = uuid;
	rq.kind = "vbd";
	rq.device = vdev;
	rq.flags = flags;
	r.last = false;
	rc = vm_call(&rq, &r, e);
	/* chaosd's word; -ENOENT is also that there is no chaosd */
	return r.last && (rc == -ENOENT || rc == -ENODEV) ? 0 : rc;
}

int vm_exit_code(const struct chaos_vm *v)
{
	if (strcmp(v->reason, "poweroff") == 0)
		return v->exit_code >= 0 ? v->exit_code & 255 : 0;
	return strcmp(v->reason, "crash") == 0 || strcmp(v->reason, "watchdog") == 0 ? 134 : 137;
}
