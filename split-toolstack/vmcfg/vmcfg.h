/* SPDX-License-Identifier: BSD-3-Clause */
/* Converts the text of an xl.cfg file into struct vm_config. */
#ifndef CHAOS_VMCFG_H
#define CHAOS_VMCFG_H

#include <stddef.h>

#include "split-toolstack/engine/engine.h"

struct vmcfg_list {
	char **item;
	uint32_t n;
};

/* The data of a request. vmcfg_clear() frees everything except `xen`. */
struct vmcfg {
	struct xen *xen; /* the host on which the VM will run; NULL: its CPUs are not checked */
	char *text;	 /* the file; may be NULL */
	size_t text_len;
	char *name;		    /* name of the file, for messages; NULL: "config" */
	char *cwd;		    /* directory for relative paths; NULL: they are refused */
	struct vmcfg_list override; /* "key=value" in xl syntax */
	struct vmcfg_list set;	    /* "key=text", the text is taken literally */
	struct vmcfg_list ignore;   /* keys that are not supported and will be ignored */
	bool xl;		    /* ignore unknown keys, as xl does */
	struct vmcfg_list warning;  /* out: what the client should print */
};

/* -ENOMEM. */
int vmcfg_add(struct vmcfg_list *l, const char *text, size_t len);
void vmcfg_list_clear(struct vmcfg_list *l);
/* Adds a warning, and removes control characters from it. -ENOMEM. */
int vmcfg_warning(struct vmcfg_list *l, const char *text, struct err *e);
void vmcfg_clear(struct vmcfg *v);

/* Fills `out`, which is initialised here. -EINVAL with key, value and what to do; -EOPNOTSUPP
 * for a key that would change the guest and is not supported. */
int vmcfg_parse(struct vmcfg *v, struct vm_config *out, struct err *e);

/* --- single values; `out` is the result --- */

/* "512", "256K", "4M", "1G" or "16T": MiB without a unit. */
int vmcfg_memory(const char *key, const char *value, uint64_t *kib, struct err *e);
/* Parses texts for cpus as in xl.cfg(5) ("all", "0-3,^1", "nodes:0,^7"): one text for all vCPUs,
 * or with `each` one for each vCPU in order, at most DOM_MAX_VCPUS. `x` (may be NULL) is used to
 * check which CPUs exist; an error names `key` and the text. The caller frees the bitmaps in
 * `out`; there are none for "all". -EINVAL, -ENOMEM. */
int vmcfg_cpus(struct xen *x, const char *key, const struct vmcfg_list *text, bool each,
	       struct dom_cpus *out, struct err *e);
/* The reverse: "0,2-3"; for several vCPUs separated by semicolons: "0;1-2"; a list with one vCPU
 * ends with a semicolon: "0;". Empty if all may run on all; ends with "..." if it does not fit. */
void vmcfg_cpus_text(const struct dom_cpus *c, char *to, size_t room);
int vmcfg_number(const char *key, const char *value, uint32_t low, uint32_t high, uint32_t *out,
		 struct err *e);

/* Parses an item of the list of this kind, vif = [...] or disk = [...]; `out` is initialised here,
 * and cleared after a failure. Relative targets of disks are searched in `cwd` (may be NULL), then
 * in /dev. Ignored keys are reported in `warning` (may be NULL). -EINVAL, -EOPNOTSUPP, -ENOENT.
 * xl-network-configuration(5), xl-disk-configuration(5). */
int vmcfg_device(enum device_kind kind, const char *spec, const char *cwd,
		 struct vmcfg_list *warning, struct device_config *out, struct err *e);
/* Parses the domain of a backend: only dom0, by name or number. */
int vmcfg_backend(const char *key, const char *value, struct err *e);

#endif
