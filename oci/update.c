/* SPDX-License-Identifier: BSD-3-Clause */
/* update: memory and share of CPU time of a container that runs. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/bundle.h"
#include "oci/oci.h"
#include "oci/state.h"
#include "oci/vm.h"

#define SETTINGS 3

/* As in linux.resources of config.json; 0: as it is. A quota below 0 is none. */
struct resources {
	int64_t memory, shares, quota, period;
	bool cpus; /* are given, which cannot be changed */
};

static int64_t member(const json_t *j, const char *group, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(j, group), name));
}

/* A file, or standard input for "-". What a VM has no share in is passed over. */
static int read_file(const char *path, struct resources *r, struct err *e)
{
	json_error_t at;
	json_t *j =
		strcmp(path, "-") == 0 ? json_loadf(stdin, 0, &at) : json_load_file(path, 0, &at);
	const char *cpus;

	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, EINVAL, "--resources \"%s\": line %d: %s", path, j ? 1 : at.line,
			       j ? "not an object" : at.text);
	}
	r->memory = member(j, "memory", "limit");
	r->shares = member(j, "cpu", "shares");
	r->quota = member(j, "cpu", "quota");
	r->period = member(j, "cpu", "period");
	cpus = json_string_value(json_object_get(json_object_get(j, "cpu"), "cpus"));
	r->cpus = cpus && *cpus;
	json_decref(j);
	return 0;
}

/* A quota without a period is of 100 ms, as with cgroups. */
static int settings(const struct resources *r, char set[SETTINGS][40], struct err *e)
{
	int n = 0;

	if (r->memory < 0 || r->shares < 0 || r->period < 0 || r->period > INT64_MAX / 200 ||
	    r->quota > INT64_MAX / 200)
		return err_set(e, EINVAL, "update: a number is negative or too large");
	if (r->memory > 0)
		(void)snprintf(set[n++], sizeof(set[0]), "memory=%jdK",
			       (intmax_t)(r->memory >> 10));
	if (r->shares > 0)
		(void)snprintf(set[n++], sizeof(set[0]), "cpu_weight=%u", plan_weight(r->shares));
	if (r->quota < 0)
		(void)snprintf(set[n++], sizeof(set[0]), "cap=0");
	else if (r->quota > 0)
		(void)snprintf(set[n++], sizeof(set[0]), "cap=%jd",
			       (intmax_t)plan_percent(r->quota, r->period ? r->period : 100000));
	return n;
}

static int update(const struct container *c, const struct resources *r, struct err *e)
{
	char text[SETTINGS][40];
	const char *set[SETTINGS + 1] = {NULL};
	int n;

	if (c->status == OCI_STOPPED || c->status == OCI_CREATING)
		return err_set(e, EINVAL, "cannot update container \"%s\": it is %s", c->id,
			       oci_status_name(c->status));
	if (c->pod)
		return err_set(e, ENOTSUP,
			       "update: container \"%s\" is in the VM of pod \"%s\", which has the "
			       "memory and CPUs for all of its containers",
			       c->id, c->pod);
	if (r->cpus)
		return err_set(e, ENOTSUP,
			       "update: the set of CPUs of a VM cannot change after its start");
	n = settings(r, text, e);
	for (int i = 0; i < n; i++)
		set[i] = text[i];
	return n > 0 ? vm_set(c->uuid, set, e) : n;
}

static int read_number(const char *name, const char *text, int64_t *out, struct err *e)
{
	char *end = NULL;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (!errno && end != text && !*end)
		return 0;
	return err_set(e, EINVAL, "--%s \"%s\" is not a number", name, text);
}

static int run_update(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"resources", required_argument, NULL, 'r'},
					      {"memory", required_argument, NULL, 'm'},
					      {"cpu-share", required_argument, NULL, 's'},
					      {"cpu-quota", required_argument, NULL, 'q'},
					      {"cpu-period", required_argument, NULL, 'p'},
					      {NULL, 0, NULL, 0}};
	struct resources r = {0};
	struct container c;
	const char *id;
	int at = 0;
	int letter;
	int rc = 0;

	while (rc == 0 && (letter = getopt_long(argc, argv, "r:", longs, &at)) != -1)
		if (letter == '?')
			return -EINVAL;
		else if (letter == 'r')
			rc = read_file(optarg, &r, e);
		else
			rc = read_number(longs[at].name, optarg,
					 letter == 'm'	 ? &r.memory
					 : letter == 's' ? &r.shares
					 : letter == 'q' ? &r.quota
							 : &r.period,
					 e);
	if (rc < 0)
		return rc;
	id = oci_one_id(argc, argv, e);
	if (!id)
		return -EINVAL;
	rc = container_open(&c, o, id, e);
	if (rc == 0)
		rc = update(&c, &r, e);
	container_close(&c);
	return rc;
}

const struct verb verb_update = {.name = "update",
				 .args = "[--resources FILE] [--memory N] [--cpu-share N] "
					 "[--cpu-quota N] [--cpu-period N] ID",
				 .what = "change its memory, CPU weight or CPU quota",
				 .run = run_update};
