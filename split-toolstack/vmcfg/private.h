/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vmcfg share. */
#ifndef CHAOS_VMCFG_PRIVATE_H
#define CHAOS_VMCFG_PRIVATE_H

#include <stdio.h>

#include <libxlutil.h>

#include "split-toolstack/vmcfg/vmcfg.h"

/* While a configuration is walked. */
struct vmcfg_walk {
	struct vmcfg *v;
	struct vm_config *c;
	XLU_Config *xlu;
	char *root, *extra; /* together the command line, when `cmdline` is not given */
	bool have_cmdline;
	struct vmcfg_list harmless;    /* keys that were passed over */
	struct vmcfg_list unknown;     /* keys in no row of the table */
	struct vmcfg_list refused;     /* keys that are not supported, */
	struct vmcfg_list refused_why; /* and the reason for each */
	bool have_type, pvh;	       /* pvh=1 is a type when there is no other */
	struct vmcfg_list cpus;	       /* texts of `cpus`, */
	bool cpus_each;		       /* each of which is one vCPU's */
};

/* vmcfg_keys.c: sets one key from text, by its class; a key that is a list gets one item more. */
int vmcfg_set_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);
/* Sets a key from all items of a list, which replace what the key had. */
int vmcfg_set_list(struct vmcfg_walk *w, const char *name, XLU_ConfigList *list, int n,
		   struct err *e);

/* vmcfg_others.c: a key that is in no table of honoured ones; value NULL: a list. Notes what is to
 * be told of it later. -ENOMEM. */
int vmcfg_other_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);
/* Notes that it is not supported, and why. */
int vmcfg_refuse_key(struct vmcfg_walk *w, const char *name, const char *why, struct err *e);
/* When all keys were seen: -EOPNOTSUPP naming all that are unknown or not supported. */
int vmcfg_refuse(struct vmcfg_walk *w, struct err *e);
/* One warning for each kind of key that was passed over. -ENOMEM. */
int vmcfg_warn(struct vmcfg_walk *w, struct err *e);

/* vmcfg_text.c: file and overrides as one text, the later one counts. It has no byte order mark
 * and the line ends of Unix; what an override says without quotes is in quotes where it cannot be
 * meant otherwise. NULL: no memory. */
char *vmcfg_text(const struct vmcfg *v, size_t *len);
/* What is wrong with a text that libxlutil refused with `report`, in one line: the file and line,
 * or the override. -EINVAL, -ENOMEM. */
int vmcfg_syntax_error(const struct vmcfg *v, const char *report, struct err *e);

/* vmcfg_values.c: digits at *at, which moves behind them; false when there are none or too many. */
bool vmcfg_digits(const char **at, uint64_t *out);

/* limits.c: `fork` and `fork_depth`, which need a table for what children map. */
int vmcfg_fork(struct vmcfg_walk *w, const char *key, const char *value, struct err *e);
/* vmcfg_limits.c: one of max_grant_frames, max_maptrack_frames, max_grant_version and
 * max_event_channels, whose 0 asks for nothing, as with xl. */
int vmcfg_limit(struct vmcfg_walk *w, const char *key, const char *value, struct err *e);

/* vmcfg_disk.c: libxlutil with its complaints in memory. */
struct vmcfg_report {
	XLU_Config *xlu;
	FILE *f;
	char *text;
	size_t len;
};
int vmcfg_report_open(struct vmcfg_report *r, struct err *e);
void vmcfg_report_close(struct vmcfg_report *r);
/* What is wrong, without the text that it is in; until the report is closed. */
const char *vmcfg_report_words(struct vmcfg_report *r);

#endif
