/* SPDX-License-Identifier: BSD-3-Clause */
/* A container takes a VM that has booted. */
#include "oci/ahead.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/vm.h"

/* There while it is not known which VM has the container's name. */
#define TAKING "taking"

/* --- which one --- */

struct wish {
	const char *type; /* NULL: any */
	uint64_t mem_kib; /* 0: any */
	int64_t vcpus;
	char *from;
	size_t room;
	bool any; /* there are such flavors, which do not fit or are empty */
};

static int64_t vcpus_of(const struct bundle *b)
{
	int64_t quota = bundle_number(b, "linux.resources.cpu.quota", 0);
	int64_t period = bundle_number(b, "linux.resources.cpu.period", 100000);

	if (quota <= 0 || period <= 0 || quota > INT64_MAX / 100)
		return 1;
	return (plan_percent(quota, period) + 99) / 100;
}

static int look(const struct chaos_reply *r, void *arg)
{
	struct wish *w = arg;
	const struct chaos_flavor *f = &r->flavor;

	if (!r->has_flavor || strncmp(f->from, AHEAD_NAME, strlen(AHEAD_NAME)) != 0)
		return 0;
	w->any = true;
	if (f->ready == 0 || w->from[0] || f->vcpus != (uint64_t)w->vcpus ||
	    (w->type && strcmp(w->type, f->type) != 0) ||
	    (w->mem_kib && w->mem_kib != f->mem_kib) || strlen(f->from) >= w->room)
		return 0;
	(void)snprintf(w->from, w->room, "%s", f->from);
	return 0;
}

int ahead_find(const struct bundle *b, char *from, size_t room, struct err *e)
{
	static struct chaos_reply r;
	int64_t limit = bundle_number(b, "linux.resources.memory.limit", 0);
	const char *cpus = bundle_text(b, "linux.resources.cpu.cpus");
	struct wish w = {.type = bundle_annotation(b, OCI_TYPE_ANNOTATION),
			 .mem_kib = limit > 0 ? (uint64_t)limit >> 20 << 10 : 0,
			 .vcpus = vcpus_of(b),
			 .from = from,
			 .room = room};
	struct chaos_request rq;
	struct chaos *c = NULL;
	int rc;

	from[0] = '\0';
	if (bundle_annotation(b, OCI_MEMORY_ANNOTATION))
		return err_set(e, ENOENT, "annotation " OCI_MEMORY_ANNOTATION " is given");
	if (cpus && *cpus)
		return err_set(e, ENOENT, "CPUs are named for the container");
	rc = chaos_open(&c, NULL, NULL);
	chaos_request_init(&rq, CHAOS_POOL);
	if (rc == 0)
		rc = chaos_call(c, &rq, &r, look, &w, NULL);
	chaos_close(c);
	if (rc == 0)
		(void)look(&r, &w);
	if (from[0])
		return 0;
	if (!w.any)
		return err_set(e, ENOENT,
			       "the pool has no VMs for containers: see \"chaos-oci ahead\"");
	return err_set(e, ENOENT,
		       "the pool has no VM for containers of %ju MiB (0: any) and %jd vCPUs now",
		       (uintmax_t)w.mem_kib >> 10, (intmax_t)w.vcpus);
}

/* --- it is taken --- */

static int call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
		struct err *e)
{
	struct chaos_error ce = {0};
	int rc = chaos_call(c, rq, r, NULL, NULL, &ce);

	return rc < 0 ? err_set(e, -rc, "%s", ce.message) : 0;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What the plan has beside what every copy has. */
static int equip(struct chaos *ch, const char *uuid, const struct plan *p, struct err *e)
{
	static struct chaos_reply r;
	const char *weights[3] = {NULL};
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && p->set[i]; i++) {
		const char *one[] = {p->set[i], NULL};
		struct chaos_request rq;

		if ((begins(one[0], "cap=") || begins(one[0], "cpu_weight=")) && n < 2)
			weights[n++] = one[0];
		if (!begins(one[0], "disk=") && !begins(one[0], "vif="))
			continue;
		chaos_request_init(&rq, CHAOS_ATTACH);
		rq.vm = uuid;
		rq.set = one;
		rc = call(ch, &rq, &r, e);
	}
	return rc == 0 && n ? vm_set(uuid, weights, e) : rc;
}

static int take(struct chaos *ch, struct container *c, const struct plan *p, pid_t pid,
		struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	int rc = container_mark(c, TAKING, true, e);

	if (rc < 0)
		return rc;
	chaos_request_init(&rq, CHAOS_CREATE_FROM);
	rq.vm = p->from;
	rq.name = c->vm;
	rc = call(ch, &rq, &r, e);
	if (rc < 0 && r.error) /* it was refused: the name is not this container's */
		return container_mark(c, TAKING, false, NULL) < 0 || rc == -EEXIST ? rc : -EAGAIN;
	if (rc < 0)
		return rc;
	if (!r.has_vm)
		return err_set(e, EPROTO, "chaosd's answer does not describe the VM");
	rc = container_set_vm(c, pid, r.vm.uuid, e);
	if (rc == 0)
		rc = container_mark(c, TAKING, false, e);
	return rc < 0 ? rc : equip(ch, c->uuid, p, e);
}

int ahead_take(struct container *c, const struct plan *p, pid_t pid, bool *there, struct err *e)
{
	struct chaos_error ce = {0};
	struct chaos *ch = NULL;
	int rc = chaos_open(&ch, NULL, &ce);

	*there = rc == 0;
	if (rc < 0)
		return err_set(e, -rc, "%s", ce.message);
	rc = take(ch, c, p, pid, e);
	chaos_close(ch);
	if (rc < 0 && rc != -EAGAIN)
		(void)ahead_remove_vm(c, NULL);
	return rc;
}

int ahead_remove_vm(struct container *c, struct err *e)
{
	int rc = container_read_uuid(c, e);

	if (rc == 0)
		rc = vm_remove(c->uuid, e);
	if (rc == 0)
		rc = container_marked(c, TAKING, e);
	return rc > 0 ? vm_remove(c->vm, e) : rc;
}
