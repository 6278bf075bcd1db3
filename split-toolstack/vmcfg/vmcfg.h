/* SPDX-License-Identifier: BSD-3-Clause */
/* From the text of an xl.cfg file to struct vm_config. */
#ifndef CHAOS_VMCFG_H
#define CHAOS_VMCFG_H

#include <stddef.h>

#include "split-toolstack/engine/engine.h"

struct vmcfg_list {
	char **item;
	uint32_t n;
};

/* What a client sent. Everything but `xen` is its own until vmcfg_clear(). */
struct vmcfg {
	struct xen *xen; /* the host that it is for; NULL: not known, and not asked */
	char *text;	 /* of the file; may be NULL */
	size_t text_len;
	char *name;		    /* of the file, for messages; NULL: "config" */
	char *cwd;		    /* relative paths start here; NULL: they are refused */
	struct vmcfg_list override; /* "key=value" in xl syntax */
	struct vmcfg_list set;	    /* "key=text", the text as it is */
	struct vmcfg_list ignore;   /* keys of the third class to leave out */
	bool xl;		    /* keys that are unknown are passed over, as xl does */
	struct vmcfg_list warning;  /* out: what the client should print */
};

/* -ENOMEM. */
int vmcfg_add(struct vmcfg_list *l, const char *text, size_t len);
void vmcfg_list_clear(struct vmcfg_list *l);
/* Adds a warning, without the control characters that a value in it may have. -ENOMEM. */
int vmcfg_warning(struct vmcfg_list *l, const char *text, struct err *e);
void vmcfg_clear(struct vmcfg *v);

/* Fills `out` (which is initialised here). -EINVAL with key, value and what to do; -EOPNOTSUPP for
 * a key that would change what the guest gets and is not supported. */
int vmcfg_parse(struct vmcfg *v, struct vm_config *out, struct err *e);

/* --- values, each alone; `out` is the target --- */

/* "512", "256K", "4M", "1G" or "16T": MiB without a suffix. */
int vmcfg_memory(const char *key, const char *value, uint64_t *kib, struct err *e);
/* Texts as xl.cfg(5) has them for cpus ("all", "0-3,^1", "nodes:0,^7"): one for all vCPUs, or with
 * `each` one a vCPU in their order, no more than DOM_MAX_VCPUS. `x` (may be NULL) is asked which
 * CPUs there are; one that is not is named with `key` and the text. The bitmaps in `out` are the
 * caller's; none for "all". -EINVAL, -ENOMEM. */
int vmcfg_cpus(struct xen *x, const char *key, const struct vmcfg_list *text, bool each,
	       struct dom_cpus *out, struct err *e);
/* The other way: "0,2-3"; of several vCPUs with a semicolon behind each but the last of more than
 * one: "0;1-2", "0;". Empty when all may run all; ends with "..." when it does not fit. */
void vmcfg_cpus_text(const struct dom_cpus *c, char *to, size_t room);
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
/* Either, by kind. */
int vmcfg_device(enum device_kind kind, const char *spec, const char *cwd,
		 struct vmcfg_list *warning, struct device_config *out, struct err *e);
/* Of a backend's domain: dom0 in its names and numbers, no other. */
int vmcfg_backend(const char *key, const char *value, struct err *e);

#endif
