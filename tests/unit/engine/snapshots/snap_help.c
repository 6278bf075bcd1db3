/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/snapshots/snap_help.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

void answer(struct kept *k, int rc, const struct snapshot *x, const struct err *e)
{
	assert_false(k->called);
	k->called = true;
	k->rc = rc;
	if (e)
		k->err = *e;
	if (rc < 0) {
		assert_true(k->err.msg[0] != '\0');
		return;
	}
	assert_non_null(x);
	(void)snprintf(k->name, sizeof(k->name), "%s", x->name);
	(void)snprintf(k->digest, sizeof(k->digest), "%s", x->digest);
	(void)snprintf(k->parent, sizeof(k->parent), "%s", x->parent);
}

void on_kept(void *arg, int rc, const struct snapshot *x, const struct stream_stats *st,
	     const struct err *e)
{
	(void)st;
	answer(arg, rc, x, e);
}

struct kept keep(struct vm *vm, const char *name)
{
	struct kept k = {0};
	int rc = vm_snapshot(vm, name, on_kept, &k, &k.err);

	if (rc == 0)
		turn(&k.called);
	k.rc = rc < 0 ? rc : k.rc;
	return k;
}

static void on_removed(void *arg, int rc, const struct err *e)
{
	struct kept *k = arg;

	k->called = true;
	k->rc = rc;
	if (e)
		k->err = *e;
}

int rm(const char *name, struct err *e)
{
	struct kept k = {0};
	int rc = snapshot_rm(engine_snapshots(en), name, on_removed, &k, e);

	if (rc == 0)
		turn(&k.called);
	return rc < 0 ? rc : k.rc;
}

struct result copy_of(const char *snapshot, const char *name, uint32_t flags)
{
	struct restored k = {0};
	int rc = engine_create_from(en, snapshot, name, NULL, flags, on_restored, &k, &k.st,
				    &k.r.err);

	if (rc == 0)
		turn(&k.r.called);
	k.r.rc = rc < 0 ? rc : k.r.rc;
	return k.r;
}

static uint32_t count(const char *begin, const char *end)
{
	DIR *d = opendir(conf().image_dir);
	const struct dirent *f;
	uint32_t n = 0;

	assert_non_null(d);
	while ((f = readdir(d)) != NULL) {
		size_t len = strlen(f->d_name);

		n += strncmp(f->d_name, begin, strlen(begin)) == 0 && len > strlen(end) &&
		     strcmp(f->d_name + len - strlen(end), end) == 0;
	}
	(void)closedir(d);
	return n;
}

uint32_t files(const char *end)
{
	until(count("new-", "") == 0);
	return count("", end);
}
