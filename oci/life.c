/* SPDX-License-Identifier: BSD-3-Clause */
/* start, kill, delete, pause, resume. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/ahead.h"
#include "oci/control.h"
#include "oci/hooks.h"
#include "oci/oci.h"
#include "oci/place.h"
#include "oci/pod.h"
#include "oci/state.h"
#include "oci/vm.h"

/* After a request that ends it. */
#define END_MS 10000

static int refuse(const struct container *c, const char *what, struct err *e)
{
	return err_set(e, EINVAL, "cannot %s container \"%s\": it is %s", what, c->id,
		       oci_status_name(c->status));
}

/* --- start --- */

static int start(const struct container *c, struct err *e)
{
	struct bundle b;
	int rc;

	if (c->status != OCI_CREATED)
		return refuse(c, "start", e);
	rc = bundle_read(&b, c->bundle, e);
	if (rc == 0)
		rc = control_ask(c, CONTROL_START, 0, e);
	/* The specification: what fails of them is said, and the container goes on. */
	if (rc == 0)
		(void)hooks_run(&b, c, "poststart", OCI_RUNNING, e);
	bundle_free(&b);
	return rc;
}

/* --- kill --- */

/* "TERM", "SIGTERM", "15"; -1: none of these. */
static int signal_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text && !*end)
		return n > 0 && n < 65 ? (int)n : -1;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(text, name) == 0)
			return i;
	}
	return -1;
}

static int kill_it(const struct container *c, int number, struct err *e)
{
	int rc;

	/* containerd's CRI looks for the last words, which are runc's */
	if (c->status == OCI_STOPPED)
		return err_set(e, EINVAL,
			       "cannot kill container \"%s\": it is stopped: container not running",
			       c->id);
	if (c->status == OCI_CREATING)
		return refuse(c, "kill", e);
	rc = control_ask(c, CONTROL_KILL, (uint32_t)number, e);
	/* a monitor that does not answer any more */
	if (rc < 0 && rc != -ENOTSUP && number == SIGKILL &&
	    container_wait(c, 0, NULL) == -ETIMEDOUT) {
		rc = c->pod ? 0 : vm_remove(c->uuid, e);
		(void)kill(c->pid, SIGKILL);
	}
	return rc == -EPIPE ? 0 : rc;
}

/* --- delete --- */

static int end_first(const struct container *c, struct err *e)
{
	int rc = kill_it(c, SIGKILL, e);

	if (rc == 0)
		rc = container_wait(c, END_MS, e);
	if (rc == -ETIMEDOUT && kill(c->pid, SIGKILL) == 0)
		rc = container_wait(c, END_MS, e);
	return rc;
}

static int delete_it(struct container *c, const struct oci *o, bool force, struct err *e)
{
	struct bundle b;
	bool has_bundle;
	int rc = 0;

	if (c->status != OCI_STOPPED && !force)
		return refuse(c, "delete", e);
	if (c->status != OCI_STOPPED && c->pid > 0)
		rc = end_first(c, e);
	if (rc == 0)
		rc = c->pod ? pod_leave(c, o, e) : ahead_remove_vm(c, e);
	if (rc < 0)
		return rc;
	has_bundle = bundle_read(&b, c->bundle, NULL) == 0;
	place_remove_cgroup(c);
	rc = container_remove(c, o, e);
	if (rc == 0 && has_bundle)
		(void)hooks_run(&b, c, "poststop", OCI_STOPPED, NULL);
	bundle_free(&b);
	return rc;
}

/* --- the commands --- */

const char *oci_one_id(int argc, char **argv, struct err *e)
{
	if (argc - optind == 1)
		return argv[optind];
	(void)err_set(e, EINVAL, "give the id of one container");
	return NULL;
}

const char *oci_plain_id(int argc, char **argv, struct err *e)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};

	return getopt_long(argc, argv, "", none, NULL) == -1 ? oci_one_id(argc, argv, e) : NULL;
}

static int with_container(const struct oci *o, const char *id,
			  int (*fn)(const struct container *c, struct err *e), struct err *e)
{
	struct container c;
	int rc = container_open(&c, o, id, e);

	if (rc == 0)
		rc = fn(&c, e);
	container_close(&c);
	return rc;
}

static int run_start(const struct oci *o, int argc, char **argv, struct err *e)
{
	const char *id = oci_plain_id(argc, argv, e);

	return id ? with_container(o, id, start, e) : -EINVAL;
}

static int run_kill(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
	struct container c;
	int number = SIGTERM;
	int rc;

	while ((rc = getopt_long(argc, argv, "a", longs, NULL)) != -1)
		if (rc == '?')
			return -EINVAL;
	if (argc - optind < 1 || argc - optind > 2)
		return err_set(
			e, EINVAL,
			"kill: give the id of one container, and a signal if it is not TERM");
	if (argc - optind == 2)
		number = signal_number(argv[optind + 1]);
	if (number < 0)
		return err_set(e, EINVAL, "signal \"%s\" is not known", argv[optind + 1]);
	rc = container_open(&c, o, argv[optind], e);
	if (rc == 0)
		rc = kill_it(&c, number, e);
	container_close(&c);
	return rc;
}

static int run_delete(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"force", no_argument, NULL, 'f'},
					      {NULL, 0, NULL, 0}};
	struct container c;
	const char *id;
	bool force = false;
	int rc;

	while ((rc = getopt_long(argc, argv, "f", longs, NULL)) != -1) {
		if (rc == '?')
			return -EINVAL;
		force = true;
	}
	id = oci_one_id(argc, argv, e);
	if (!id)
		return -EINVAL;
	rc = container_open(&c, o, id, e);
	while (rc == -ENOENT && force) { /* one that is being created is there soon */
		container_close(&c);
		rc = container_clear(o, id, e);
		if (rc != -EEXIST)
			return rc;
		rc = container_open(&c, o, id, e);
	}
	if (rc == 0)
		rc = delete_it(&c, o, force, e);
	container_close(&c);
	return rc;
}

static int pause_it(const struct container *c, struct err *e)
{
	int rc;

	if (c->status != OCI_RUNNING)
		return refuse(c, "pause", e);
	if (c->pod)
		return err_set(
			e, ENOTSUP,
			"pause: container \"%s\" is in the VM of pod \"%s\", which cannot be "
			"paused for one of its containers",
			c->id, c->pod);
	rc = vm_ask(CHAOS_PAUSE, 0, c->uuid, e);
	return rc < 0 ? rc : container_mark(c, "paused", true, e);
}

static int resume(const struct container *c, struct err *e)
{
	int rc;

	if (c->status != OCI_PAUSED)
		return refuse(c, "resume", e);
	rc = vm_ask(CHAOS_UNPAUSE, 0, c->uuid, e);
	return rc < 0 ? rc : container_mark(c, "paused", false, e);
}

static int run_pause(const struct oci *o, int argc, char **argv, struct err *e)
{
	const char *id = oci_plain_id(argc, argv, e);

	return id ? with_container(o, id, pause_it, e) : -EINVAL;
}

static int run_resume(const struct oci *o, int argc, char **argv, struct err *e)
{
	const char *id = oci_plain_id(argc, argv, e);

	return id ? with_container(o, id, resume, e) : -EINVAL;
}

const struct verb verb_start = {
	.name = "start", .args = "ID", .what = "start the container's process", .run = run_start};
const struct verb verb_kill = {.name = "kill",
			       .args = "ID [SIGNAL]",
			       .what = "KILL destroys its VM; other signals ask it to end",
			       .run = run_kill};
const struct verb verb_delete = {.name = "delete",
				 .args = "[--force] ID",
				 .what = "remove a container that has stopped; --force: any",
				 .run = run_delete};
const struct verb verb_pause = {
	.name = "pause", .args = "ID", .what = "pause its VM", .run = run_pause};
const struct verb verb_resume = {
	.name = "resume", .args = "ID", .what = "let its VM continue", .run = run_resume};
