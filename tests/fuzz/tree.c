/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a stream of files, made in a folder: nothing may be outside of it, and no file is
 * there in part. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/tree/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/chaos-fuzz-tree-XXXXXX";
static char inner[64];
static const uint8_t *input;
static size_t left;

static ssize_t take(void *arg, void *to, size_t room)
{
	size_t n = left < room ? left : room;

	(void)arg;
	memcpy(to, input, n);
	input += n;
	left -= n;
	return (ssize_t)n;
}

static void left_out(const char *name, const char *why)
{
	if (!*name || !*why)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
	(void)st;
	(void)kind;
	if (strstr(path, ".chaos-cp."))
		abort();
	return w->level == 0 ? 0 : remove(path);
}

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
	(void)st;
	(void)kind;
	if (w->level > 0 && strcmp(path, inner) != 0)
		abort(); /* beside the folder */
	return w->level == 0 ? FTW_CONTINUE : FTW_SKIP_SUBTREE;
}

static void clean_up(void)
{
	(void)rmdir(inner);
	(void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree_in in = {.read = take, .bytes_max = 1 << 20};
	struct tree_rules rules = {.left_out = left_out};
	struct tree_count count = {0};
	struct tree_fault f;
	int dir;

	if (!inner[0]) {
		if (!mkdtemp(folder))
			abort();
		(void)snprintf(inner, sizeof(inner), "%s/inner", folder);
		(void)mkdir(inner, 0700);
		(void)atexit(clean_up);
	}
	if (size < 1)
		return 0;
	rules.links = data[0] & 1;
	rules.set_ids = data[0] & 2;
	input = data + 1;
	left = size - 1;
	dir = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		abort();
	(void)tree_make(&in, dir, data[0] & 4 ? NULL : "to", &rules, &count, &f);
	(void)close(dir);
	(void)nftw(folder, count_one, 8, FTW_PHYS | FTW_ACTIONRETVAL);
	(void)chmod(inner, 0700);
	(void)nftw(inner, remove_one, 16, FTW_PHYS | FTW_DEPTH);
	return 0;
}
