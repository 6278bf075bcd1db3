/* SPDX-License-Identifier: BSD-3-Clause */
/* ahead: boots a VM in which the agent waits, makes a snapshot of it, and has the pool keep copies.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "oci/ahead.h"
#include "oci/linux.h"
#include "oci/oci.h"
#include "oci/plan.h"
#include "oci/vm.h"

#define COUNT_MAX 1000u
#define MIB_LEAST 48u
#define MIB_MAX	  (1u << 20)
#define VCPUS_MAX 128u

struct wanted {
	unsigned int count, mib, vcpus;
	char name[40]; /* of the snapshot */
};

struct search {
	const char *name;
	bool found;
};

static int compare(const struct chaos_reply *r, void *arg)
{
	struct search *s = arg;

	if (r->has_snapshot && strcmp(r->snapshot.name, s->name) == 0)
		s->found = true;
	return 0;
}

/* 1: there is such a snapshot. */
static int is_there(const char *name, struct err *e)
{
	static struct chaos_reply r;
	struct search s = {.name = name};
	struct chaos_error ce = {0};
	struct chaos_request rq;
	struct chaos *c;
	int rc = chaos_open(&c, NULL, &ce);

	chaos_request_init(&rq, CHAOS_SNAPSHOTS);
	if (rc == 0) {
		rc = chaos_call(c, &rq, &r, compare, &s, &ce);
		chaos_close(c);
	}
	if (rc < 0)
		return err_set(e, -rc, "%s", ce.message);
	(void)compare(&r, &s);
	return s.found;
}

static int plan_waiting(struct plan *p, const struct oci *o, const struct wanted *w,
			const char *uuid, struct err *e)
{
	int rc = plan_empty_linux(p, o->kernel, e);

	if (rc == 0)
		rc = plan_add(p, e, "name=%s", w->name);
	if (rc == 0)
		rc = plan_add(p, e, "uuid=%s", uuid);
	if (rc == 0)
		rc = plan_add(p, e, "memory=%u", w->mib);
	if (rc == 0)
		rc = plan_add(p, e, "vcpus=%u", w->vcpus);
	if (rc == 0)
		rc = plan_add(p, e, "type=pvh");
	return rc < 0 ? rc : plan_add(p, e, "on_reboot=destroy");
}

/* No container names it: if it cannot be removed, the error does. */
static int remove_vm(const char *uuid, int rc, struct err *e)
{
	struct err first = *e;
	struct err why = {0};

	if (vm_remove(uuid, &why) == 0)
		return rc;
	return err_set(e, rc < 0 ? -rc : why.code,
		       "%s%sthe VM of the snapshot could not be removed: %s; \"chaos rm --force "
		       "%s\" does that",
		       rc < 0 ? err_msg(&first) : "", rc < 0 ? "; " : "", err_msg(&why), uuid);
}

/* The VM lives for the snapshot alone. */
static int make_snapshot(const struct oci *o, const struct wanted *w, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	char uuid[UUID_TEXT];
	uint8_t bytes[16];
	struct plan p;
	bool there = false;
	int rc = uuid_random(bytes, e);

	if (rc < 0)
		return rc;
	uuid_print(bytes, uuid);
	rc = plan_waiting(&p, o, w, uuid, e);
	if (rc == 0)
		rc = vm_make(&p, &there, e);
	plan_free(&p);
	if (rc == 0)
		rc = linux_wait(uuid, e);
	if (rc == 0) {
		chaos_request_init(&rq, CHAOS_SNAPSHOT);
		rq.vm = uuid;
		rq.name = w->name;
		rc = vm_call(&rq, &r, e);
	}
	return there ? remove_vm(uuid, rc, e) : rc;
}

static int set_pool(const struct wanted *w, struct err *e)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	char text[120];
	int rc;

	(void)snprintf(text, sizeof(text), "from=%s ready=store:data/agent count=%u", w->name,
		       w->count);
	chaos_request_init(&rq, CHAOS_POOL_SET);
	rq.text = text;
	rc = vm_call(&rq, &r, e);
	if (rc == 0)
		printf("%s\n", text);
	return rc;
}

static bool read_number(const char *text, unsigned int least, unsigned int most, unsigned int *to,
			struct err *e)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	*to = (unsigned int)v;
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && !*end && v >= least && v <= most)
		return true;
	(void)err_set(e, EINVAL, "ahead: \"%s\": give a number, %u to %u", text, least, most);
	return false;
}

static int run_ahead(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"count", required_argument, NULL, 'n'},
					      {"memory", required_argument, NULL, 'm'},
					      {"vcpus", required_argument, NULL, 'c'},
					      {NULL, 0, NULL, 0}};
	struct wanted w = {.count = 4, .mib = PLAN_LINUX_MIB, .vcpus = 1};
	bool ok = true;
	int rc;
	int c;

	while (ok && (c = getopt_long(argc, argv, "n:m:c:", longs, NULL)) != -1)
		if (c == 'n')
			ok = read_number(optarg, 0, COUNT_MAX, &w.count, e);
		else if (c == 'm')
			ok = read_number(optarg, MIB_LEAST, MIB_MAX, &w.mib, e);
		else if (c == 'c')
			ok = read_number(optarg, 1, VCPUS_MAX, &w.vcpus, e);
		else
			return -EINVAL;
	if (ok && optind != argc)
		ok = err_set(e, EINVAL, "ahead: \"%s\": only options are taken", argv[optind]) == 0;
	if (!ok)
		return -EINVAL;
	(void)snprintf(w.name, sizeof(w.name), AHEAD_NAME "-%u", w.mib);
	if (w.vcpus > 1)
		(void)snprintf(w.name, sizeof(w.name), AHEAD_NAME "-%u-%u", w.mib, w.vcpus);
	rc = is_there(w.name, e);
	if (rc == 0)
		rc = make_snapshot(o, &w, e);
	return rc < 0 ? rc : set_pool(&w, e);
}

const struct verb verb_ahead = {.name = "ahead",
				.args = "[--count N] [--memory MIB] [--vcpus N]",
				.what = "boot a VM for containers once, and have the pool keep N "
					"copies of it",
				.run = run_ahead};
