/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vmcfg share. */
#ifndef CHAOS_VMCFG_PRIVATE_H
#define CHAOS_VMCFG_PRIVATE_H

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
};

/* vmcfg_keys.c: sets one key from text, by its class. */
int vmcfg_set_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e);

#endif
