/* SPDX-License-Identifier: BSD-3-Clause */
/* Instead of libc's: readdir() that fails. */
#include "tests/unit/readdir_help.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>

static uint32_t left;
static const DIR *bad;
static bool failed;

void readdir_fail_at(uint32_t nth)
{
	left = nth;
	bad = NULL;
	failed = false;
}

bool readdir_failed(void)
{
	return failed;
}

struct dirent *__real_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d)
{
	if (left && --left == 0)
		bad = d;
	if (d != bad)
		return __real_readdir64(d);
	failed = true;
	errno = EIO;
	return NULL;
}
