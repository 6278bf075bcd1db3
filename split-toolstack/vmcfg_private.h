/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vmcfg share. */
#ifndef CHAOS_VMCFG_PRIVATE_H
#define CHAOS_VMCFG_PRIVATE_H

#include <stdio.h>

#include <libxlutil.h>

#include "split-toolstack/vmcfg.h"

/* While a configuration is walked. */
struct vmcfg_walk {
	struct vmcfg *v;
	struct vm_config *c;
	XLU_Config *xlu;
	char *root, *extra; /* together the command line, when `cmdline` is not given */
	bool have_cmdline;
	char harmless[256];
	struct vmcfg_list cpus; /* texts of `cpus`, */
	bool cpus_each;		/* each of which is one vCPU's */
};

/* vmcfg_keys.c: sets one key from text, by its class; a key that is a list gets one item more. */
int vmcfg_set_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);
/* Sets a key from all items of a list, which replace what the key had. */
int vmcfg_set_list(struct vmcfg_walk *w, const char *name, XLU_ConfigList *list, int n,
		   struct err *e);

/* vmcfg_values.c: digits at *at, which moves behind them; false when there are none or too many. */
bool vmcfg_digits(const char **at, uint64_t *out);

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
