/* SPDX-License-Identifier: BSD-3-Clause */
/* From the text of an xl.cfg file to struct vm_config. */
#ifndef CHAOS_VMCFG_H
#define CHAOS_VMCFG_H

#include <stddef.h>

#include "split-toolstack/engine.h"

struct vmcfg_list {
	char **item;
	uint32_t n;
};

/* What a client sent. Everything is its own until vmcfg_clear(). */
struct vmcfg {
	char *text; /* of the file; may be NULL */
	size_t text_len;
	char *name;		    /* of the file, for messages; NULL: "config" */
	char *cwd;		    /* relative paths start here; NULL: they are refused */
	struct vmcfg_list override; /* "key=value" in xl syntax */
	struct vmcfg_list set;	    /* "key=text", the text as it is */
	struct vmcfg_list ignore;   /* keys of the third class to leave out */
	struct vmcfg_list warning;  /* out: what the client should print */
};

/* -ENOMEM. */
int vmcfg_add(struct vmcfg_list *l, const char *text, size_t len);
void vmcfg_clear(struct vmcfg *v);

/* Fills `out` (which is initialised here). -EINVAL with key, value and what to do; -EOPNOTSUPP for
 * a key that would change what the guest gets and is not supported. */
int vmcfg_parse(struct vmcfg *v, struct vm_config *out, struct err *e);

/* --- values, each alone; `out` is the target --- */

/* "512", "256K", "4M", "1G" or "16T": MiB without a suffix. */
int vmcfg_memory(const char *key, const char *value, uint64_t *kib, struct err *e);
/* "all", "0-3,^1,5": a bitmap, or NULL for "all". */
int vmcfg_cpus(const char *value, uint8_t **map, uint32_t *bytes, struct err *e);
int vmcfg_number(const char *key, const char *value, uint32_t low, uint32_t high, uint32_t *out,
		 struct err *e);

/* One item of vif = [...] or disk = [...]; `out` is initialised here, and clear after a failure.
 * Relative targets of disks are looked for in `cwd` (may be NULL), then in /dev. What was passed
 * over goes to `warning` (may be NULL). -EINVAL, -EOPNOTSUPP, -ENOENT. xl-network-configuration(5),
 * xl-disk-configuration(5). */
int vmcfg_vif(const char *spec, struct vmcfg_list *warning, struct device_config *out,
	      struct err *e);
int vmcfg_disk(const char *spec, const char *cwd, struct vmcfg_list *warning,
	       struct device_config *out, struct err *e);
/* Of a backend's domain: dom0 in its names and numbers, no other. */
int vmcfg_backend(const char *key, const char *value, struct err *e);

#endif
