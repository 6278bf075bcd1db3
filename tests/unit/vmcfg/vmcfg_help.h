/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations out of texts, and errors that name what is wrong. */
#ifndef CHAOS_UNIT_VMCFG_HELP_H
#define CHAOS_UNIT_VMCFG_HELP_H

#include "split-toolstack/vmcfg/vmcfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Of a text alone: relative paths are refused. For vmcfg_clear(). */
static inline struct vmcfg of_text(const char *text)
{
	return (struct vmcfg){.text = strdup(text), .text_len = strlen(text)};
}

/* Of a file t.cfg, with /home/me as the working directory. */
static inline struct vmcfg of_file(const char *text)
{
	struct vmcfg v = of_text(text);

	v.name = strdup("t.cfg");
	v.cwd = strdup("/home/me");
	return v;
}

/* `input` was refused: with -EINVAL, and one line that begins with the words. */
static inline void is_refused_by(const char *input, int rc, const struct err *e, const char *words)
{
	if (rc != -EINVAL || strncmp(e->msg, words, strlen(words)) != 0 || strchr(e->msg, '\n'))
		fail_msg("%s: %d \"%s\" instead of \"%s\"", input, rc, e->msg, words);
}

#endif
