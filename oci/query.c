/* SPDX-License-Identifier: BSD-3-Clause */
/* state, ps, list, events, features, spec; and what a unikernel cannot do. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/oci.h"
#include "oci/state.h"
#include "oci/vm.h"

static int print(json_t *j, struct err *e)
{
	int rc;

	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	rc = json_dumpf(j, stdout, JSON_INDENT(2));
	json_decref(j);
	if (rc < 0 || puts("") < 0)
		return err_sys(e, errno, "standard output");
	return 0;
}

static int run_state(const struct oci *o, int argc, char **argv, struct err *e)
{
	const char *id = oci_plain_id(argc, argv, e);
	struct container c;
	int rc;

	if (!id)
		return -EINVAL;
	rc = container_open(&c, o, id, e);
	if (rc == 0)
		rc = print(container_json(&c, c.status), e);
	container_close(&c);
	return rc;
}

static int run_ps(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"format", required_argument, NULL, 'f'},
					      {NULL, 0, NULL, 0}};
	const char *format = "table";
	struct container c;
	const char *id;
	int rc;

	while ((rc = getopt_long(argc, argv, "f:", longs, NULL)) != -1) {
		if (rc == '?')
			return -EINVAL;
		format = optarg;
	}
	id = oci_one_id(argc, argv, e);
	if (!id)
		return -EINVAL;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_set(e, EINVAL, "--format \"%s\": must be table or json", format);
	rc = container_open(&c, o, id, e);
	if (rc == 0 && c.status != OCI_CREATED && c.status != OCI_RUNNING && c.status != OCI_PAUSED)
		rc = err_set(e, EINVAL, "container \"%s\" is %s", id, oci_status_name(c.status));
	if (rc == 0)
		printf(strcmp(format, "json") == 0 ? "[%d]\n" : "PID\n%d\n", (int)c.pid);
	container_close(&c);
	return rc;
}

struct listing {
	const struct oci *o;
	bool quiet;
};

static int list_one(const char *id, void *arg)
{
	const struct listing *l = arg;
	struct err e = {0};
	struct container c;
	int rc = container_open(&c, l->o, id, &e);

	if (rc < 0 && rc != -ENOENT) /* one that is being made or removed is none */
		(void)fprintf(stderr, "chaos-oci: %s\n", err_msg(&e));
	if (rc == 0) {
		if (l->quiet)
			puts(id);
		else
			printf("%-24s %8d %-9s %s\n", id, c.status == OCI_STOPPED ? 0 : (int)c.pid,
			       oci_status_name(c.status), c.bundle);
	}
	container_close(&c);
	return 0;
}

static int run_list(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"quiet", no_argument, NULL, 'q'},
					      {NULL, 0, NULL, 0}};
	struct listing l = {.o = o};
	int c;

	while ((c = getopt_long(argc, argv, "q", longs, NULL)) != -1) {
		if (c == '?')
			return -EINVAL;
		l.quiet = true;
	}
	if (!l.quiet)
		printf("%-24s %8s %-9s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	return containers_each(o, list_one, &l, e);
}

/* What Xen says of the VM, in the form of runc's events. */
static int stats(const struct container *c, const char *uuid, struct err *e)
{
	static struct chaos_vm v; /* it is large */
	json_t *j;
	int rc = vm_info(uuid, &v, e);

	if (rc < 0)
		return rc;
	j = json_pack("{s:s, s:s, s:{s:{s:{s:I}}, s:{s:{s:I, s:I}}, s:{s:i}}}", "type", "stats",
		      "id", c->id, "data", "cpu", "usage", "total", (json_int_t)v.cpu_ns, "memory",
		      "usage", "usage", (json_int_t)v.mem_kib * 1024, "limit",
		      (json_int_t)(v.maxmem_kib ? v.maxmem_kib : v.mem_kib) * 1024, "pids",
		      "current", 1);
	return print(j, e);
}

static int run_events(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"stats", no_argument, NULL, 's'},
					      {"interval", required_argument, NULL, 'i'},
					      {NULL, 0, NULL, 0}};
	struct container sandbox = {.dir = -1};
	struct container c;
	bool once = false;
	const char *id;
	int rc;

	while ((rc = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (rc == '?')
			return -EINVAL;
		once = once || rc == 's';
	}
	id = oci_one_id(argc, argv, e);
	if (!id)
		return -EINVAL;
	if (!once)
		return err_set(e, EINVAL,
			       "events: only the current figures are supported: give --stats");
	rc = container_open(&c, o, id, e);
	if (rc == 0 && c.status == OCI_STOPPED)
		rc = err_set(e, EINVAL, "container \"%s\" is stopped", id);
	if (rc == 0 && c.pod) /* what Xen knows is the VM */
		rc = container_open(&sandbox, o, c.pod, e);
	if (rc == 0)
		rc = stats(&c, c.pod ? sandbox.uuid : c.uuid, e);
	container_close(&sandbox);
	container_close(&c);
	return rc;
}

static int run_features(const struct oci *o, int argc, char **argv, struct err *e)
{
	(void)o;
	(void)argc;
	(void)argv;
	return print(json_pack("{s:s, s:s, s:[s,s,s,s,s], s:{s:[s,s], s:{s:b, s:b}}, s:{s:s}}",
			       "ociVersionMin", "1.0.0", "ociVersionMax", "1.0.2", "hooks",
			       "prestart", "createRuntime", "createContainer", "poststart",
			       "poststop", "linux", "namespaces", "network", "pid", "cgroup", "v1",
			       0, "v2", 1, "annotations", "org.chaos.version", CHAOS_VERSION),
		     e);
}

static int write_spec(const char *folder, struct err *e)
{
	json_t *j =
		json_pack("{s:s, s:{s:b, s:{s:i, s:i}, s:[s], s:[], s:s}, s:{s:s, s:b}, s:{s:s}, "
			  "s:{s:[{s:s}, {s:s}]}}",
			  "ociVersion", "1.0.2", "process", "terminal", 0, "user", "uid", 0, "gid",
			  0, "args", "who=world", "env", "cwd", "/", "root", "path", "rootfs",
			  "readonly", 1, "annotations", OCI_MEMORY_ANNOTATION, "4", "linux",
			  "namespaces", "type", "pid", "type", "network");
	char path[4200];
	int rc = 0;

	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%.4000s/config.json", folder);
	if (access(path, F_OK) == 0)
		rc = err_set(e, EEXIST, "%s exists", path);
	else if (json_dump_file(j, path, JSON_INDENT(2)) < 0)
		rc = err_sys(e, errno, "%s", path);
	json_decref(j);
	return rc;
}

static int run_spec(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"bundle", required_argument, NULL, 'b'},
					      {NULL, 0, NULL, 0}};
	const char *folder = ".";
	int c;

	(void)o;
	while ((c = getopt_long(argc, argv, "b:", longs, NULL)) != -1) {
		if (c == '?')
			return -EINVAL;
		folder = optarg;
	}
	return write_spec(folder, e);
}

const struct verb verb_state = {
	.name = "state", .args = "ID", .what = "print its state as JSON", .run = run_state};
const struct verb verb_ps = {.name = "ps",
			     .args = "[--format table|json] ID",
			     .what = "print its process on this host",
			     .run = run_ps};
const struct verb verb_list = {
	.name = "list", .args = "[--quiet]", .what = "list containers", .run = run_list};
const struct verb verb_events = {.name = "events",
				 .args = "--stats ID",
				 .what = "print CPU time and memory of its VM as JSON",
				 .run = run_events};
const struct verb verb_features = {.name = "features",
				   .args = "",
				   .what = "print what this runtime supports, as JSON",
				   .run = run_features};
const struct verb verb_spec = {.name = "spec",
			       .args = "[--bundle DIR]",
			       .what = "write an example config.json",
			       .run = run_spec};
