/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of vmcfg. */
#ifndef CHAOS_VMCFG_PRIVATE_H
#define CHAOS_VMCFG_PRIVATE_H

#include <stdio.h>

#include <libxlutil.h>

#include "split-toolstack/vmcfg/vmcfg.h"

/* State while a configuration is parsed. */
struct vmcfg_walk {
	struct vmcfg *v;
	struct vm_config *c;
	XLU_Config *xlu;
	char *root, *extra; /* together the command line, if `cmdline` is not given */
	bool have_cmdline;
	struct vmcfg_list harmless;    /* keys without effect */
	struct vmcfg_list unknown;     /* keys that are in no table */
	struct vmcfg_list refused;     /* keys that are not supported, */
	struct vmcfg_list refused_why; /* and the reason for each */
	bool have_type, pvh;	       /* pvh=1 sets the type if there is no `type` */
	struct vmcfg_list cpus;	       /* texts of `cpus`, */
	bool cpus_each;		       /* each of them is for one vCPU */
};

/* keys.c: sets a key from text, by its class; for a key that is a list, adds an item. */
int vmcfg_set_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);
/* Sets a key from all items of a list, which replace its old value. */
int vmcfg_set_list(struct vmcfg_walk *w, const char *name, XLU_ConfigList *list, int n,
		   struct err *e);

/* devices.c: adds a device from text; replaces all devices of a kind by those of a list. */
int vmcfg_add_device(struct vmcfg_walk *w, enum device_kind kind, const char *value, struct err *e);
int vmcfg_set_devices(struct vmcfg_walk *w, enum device_kind kind, XLU_ConfigList *list, int n,
		      struct err *e);

/* others.c: handles a key that is not in the table of supported ones; value NULL: a list.
 * Notes what must be reported later. -ENOMEM. */
int vmcfg_other_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);
/* Notes that a key is not supported, and why. */
int vmcfg_refuse_key(struct vmcfg_walk *w, const char *name, const char *why, struct err *e);
/* After all keys: -EOPNOTSUPP with all keys that are unknown or not supported. */
int vmcfg_refuse(struct vmcfg_walk *w, struct err *e);
/* One warning for each kind of ignored key. -ENOMEM. */
int vmcfg_warn(struct vmcfg_walk *w, struct err *e);

/* text.c: joins file and overrides into one text, in which later values override earlier
 * ones. It has no byte order mark and Unix line ends; values of overrides without quotes are
 * quoted if they can only be texts. NULL: out of memory. */
char *vmcfg_text(const struct vmcfg *v, size_t *len);
/* Describes in one line what is wrong with a text that libxlutil refused with `report`: the file
 * and line, or the override. -EINVAL, -ENOMEM. */
int vmcfg_syntax_error(const struct vmcfg *v, const char *report, struct err *e);

/* values.c: reads digits at *at and moves it behind them; false if there are none or too
 * many. */
bool vmcfg_digits(const char **at, uint64_t *out);

/* limits.c: `fork` and `fork_depth`, which need a maptrack table for what children map. */
int vmcfg_fork(struct vmcfg_walk *w, const char *key, const char *value, struct err *e);
/* limits.c: one of max_grant_frames, max_maptrack_frames, max_grant_version and
 * max_event_channels; 0 means not set, as with xl. */
int vmcfg_limit(struct vmcfg_walk *w, const char *key, const char *value, struct err *e);

/* disk.c: libxlutil with its messages in memory. */
struct vmcfg_report {
	XLU_Config *xlu;
	FILE *f;
	char *text;
	size_t len;
};
int vmcfg_report_open(struct vmcfg_report *r, struct err *e);
void vmcfg_report_close(struct vmcfg_report *r);
/* The message without the text that it is about; valid until the report is closed. */
const char *vmcfg_report_words(struct vmcfg_report *r);

#endif
